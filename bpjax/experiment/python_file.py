"""A task from a function in a Python file of the user's: `FILE.py:NAME`."""

import dataclasses
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from bpjax.errors import ExperimentError, SettingError, shown
from bpjax.experiment.document import check_option_name, is_told, read_content
from bpjax.experiment.kinds import is_name
from bpjax.task import Task

_TOLD = "a finite number, text, true or false, none, or a list of them"


class Function(NamedTuple):
    """A function that returns a task.

    Attributes:
      options: what may be set, its keyword arguments, with defaults.
      make: returns the task.
    """

    options: dict[str, Any]
    make: Callable[..., Task]


def read_function(file: str, name: str) -> Function:
    """Return a function of a Python file, which is run for it: with all that the user may do.

    Args:
      file: the file.
      name: of the function; what it can be called with by name are its options.

    Raises:
      ExperimentError: if the file cannot be run, has no such function, or an option of it can be no
        option; of what the file raises, the sentence has the line and the words.
    """
    module = _run(file)
    function = getattr(module, name, None)
    if not inspect.isfunction(function):
        own = (key for key, thing in vars(module).items() if inspect.isfunction(thing))
        rule = f"must have a function of this name; its functions: {', '.join(own) or 'none'}"
        raise ExperimentError(file, "", rule, name)
    options, required = _options(file, function)

    def make(**given: Any) -> Task:
        for option in required:
            if option not in given:
                raise SettingError(
                    option, f"must be set: {file}:{name} has no default for it", None
                )
        for option, value in given.items():
            if not is_told(value):
                raise SettingError(option, f"must be {_TOLD}", value)
        with _explained(file):
            task = function(**given)
        if not isinstance(task, Task):
            rule = f"must return a bpjax.Task from {name}"
            raise ExperimentError(file, "", rule, type(task).__name__)
        return _named(file, name, task, {**dict.fromkeys(required), **options, **given})

    return Function({**dict.fromkeys(required), **options}, make)


def _run(file: str) -> ModuleType:
    code = read_content(file)
    path = str(Path(file).resolve())
    module = ModuleType(f"bpjax user file {path}")
    module.__file__ = path
    sys.modules[module.__name__] = module  # dataclasses look their module up
    with _explained(file):
        exec(compile(code, path, "exec"), vars(module))
    return module


@contextmanager
def _explained(file: str) -> Iterator[None]:
    """Run code of the user's with the modules beside it, and say what it raises in a sentence."""
    path = str(Path(file).resolve())
    sys.path.insert(0, str(Path(path).parent))
    try:
        yield
    except ExperimentError:
        raise
    except (Exception, SystemExit) as fault:
        raise _as_sentence(file, path, fault) from None
    finally:
        with suppress(ValueError):  # the user's code may have taken it away
            sys.path.remove(str(Path(path).parent))


def _as_sentence(file: str, path: str, fault: BaseException) -> ExperimentError:
    lines = [
        step.lineno for step in traceback.extract_tb(fault.__traceback__) if step.filename == path
    ]
    line = lines[-1] if lines else getattr(fault, "lineno", None)
    said = " ".join(str(fault).split()) or "no words"
    rule = f"must run, and raises {type(fault).__name__}: {shown(said).rstrip('.')}"
    return ExperimentError(file, f"line {line}" if line else "", rule)


def _options(file: str, function: Any) -> tuple[dict[str, Any], list[str]]:
    """Return the options of a function with defaults, and those without."""
    options, required = {}, []
    for option, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.kind is parameter.POSITIONAL_ONLY:
            rule = "must be an argument that can be given by name"
            raise ExperimentError(file, f"`{option}`", rule)
        check_option_name(file, f"`{option}`", option)
        if parameter.default is parameter.empty:
            required.append(option)
        elif not is_told(default := _tupled(parameter.default)):
            rule = f"must have {_TOLD} as its default"
            raise ExperimentError(file, f"`{option}`", rule, parameter.default)
        else:
            options[option] = default
    return options, required


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _named(file: str, name: str, task: Task, options: Mapping[str, Any]) -> Task:
    """Return a task with the options that it was made with, and a name that folders may have."""
    word = name if task.name == "task" else task.name
    if not is_name(word):
        rule = "must return a task whose `name` is letters, digits, dots, dashes or underscores"
        raise ExperimentError(file, "", rule, word)
    title = task.title.replace("task,", f"{word},", 1) if task.name == "task" else task.title
    return dataclasses.replace(task, name=word, title=title, options=options)
