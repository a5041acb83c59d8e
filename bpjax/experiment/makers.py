"""What makes the task that a word names: one of ours, a file of TOML, or a function in a file."""

from collections.abc import Callable
from typing import Any, NamedTuple

from bpjax.errors import SettingError
from bpjax.experiment.build import read_experiment
from bpjax.experiment.python_file import read_function
from bpjax.task import Task
from bpjax.tasks import TASKS, make_task, option_defaults


class Maker(NamedTuple):
    """What makes a task and its variants.

    Attributes:
      options: what may be set, with defaults.
      make: returns the task; its keyword arguments are options, any others are refused.
    """

    options: dict[str, Any]
    make: Callable[..., Task]


def read_task(word: str, **options: Any) -> Task:
    """Return the task that a word of the command line names.

    Args:
      word: a name of `bpjax.tasks.TASKS`, `FILE.toml`, or `FILE.py:NAME`, which runs that file.
      **options: of the task, other than its defaults.

    Raises:
      SettingError: for another word or option, or a file that breaks a rule; the sentence has the
        file, the line or the key, and the rule.

    Example:
      >>> read_task("encoder", size=4).network.describe()
      '4-2-4'
    """
    return maker_of(word).make(**options)


def maker_of(word: str) -> Maker:
    """Return what makes the task that a word names.

    Args:
      word: a name of `bpjax.tasks.TASKS`, `FILE.toml`, or `FILE.py:NAME`, which runs that file.

    Raises:
      SettingError: for another word, or a file that breaks a rule.

    Example:
      >>> maker_of("xor").make(hidden=3).network.describe()
      '2-3-1'
    """
    if word in TASKS:
        return Maker(option_defaults(word), lambda **given: make_task(word, **given))
    file, colon, name = word.rpartition(":")
    if word.endswith(".toml"):
        options, make = read_experiment(word)
    elif colon and file.endswith(".py"):
        options, make = read_function(file, name)
    elif word.endswith(".py"):
        rule = "must be FILE.py:NAME, with the function that returns the task"
        raise SettingError("TASK", rule, word)
    else:
        rule = f"must be one of {', '.join(TASKS)}, or FILE.toml, or FILE.py:NAME"
        raise SettingError("TASK", rule, word, TASKS)

    def made(**given: Any) -> Task:
        for option, value in given.items():
            if option not in options:
                choices = ", ".join(options) or "none"
                rule = f"is no option of {word}; its options: {choices}"
                raise SettingError.of_unknown(option, rule, value, options)
        return make(**given)

    return Maker(options, made)
