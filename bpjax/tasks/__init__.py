"""The experiments, one file each; every task is a function of its options."""

import inspect
from collections.abc import Callable
from typing import Any

from bpjax.errors import SettingError
from bpjax.task import Task

# isort: off
# In the order in which tasks are listed: `TASKS` follows from these lines.
from bpjax.tasks.symmetry import symmetry as symmetry
from bpjax.tasks.xor import xor as xor
from bpjax.tasks.parity import parity as parity
from bpjax.tasks.encoder import encoder as encoder
from bpjax.tasks.graded_code import graded_code as graded_code
from bpjax.tasks.addition import addition as addition
from bpjax.tasks.negation import negation as negation
from bpjax.tasks.t_c import t_c as t_c
from bpjax.tasks.shift_register import shift_register as shift_register
from bpjax.tasks.sequence import sequence as sequence
from bpjax.tasks.sequence import timing as timing
from bpjax.tasks.family_trees import family_trees as family_trees
# isort: on

TASKS: dict[str, Callable[..., Task]] = {
    name.replace("_", "-"): made for name, made in globals().items() if inspect.isfunction(made)
}
"""Every task by name: its function's, with dashes."""

__all__ = ["TASKS", "make_task", "option_defaults", *(made.__name__ for made in TASKS.values())]


def make_task(name: str, /, **options: Any) -> Task:
    """Return the task called `name` with some of its options set.

    Args:
      name: a key of `TASKS`.
      **options: arguments of the task's own function.

    Raises:
      SettingError: for an unknown task or option, or an option that breaks its rule.

    Example:
      >>> make_task("xor", hidden=3).network.describe()
      '2-3-1'
    """
    known = option_defaults(name)
    for option, value in options.items():
        if option not in known:
            choices = ", ".join(known) or "none"
            rule = f"is no option of task {name}; its options: {choices}"
            raise SettingError.of_unknown(option, rule, value, known)
    return TASKS[name](**options)


def option_defaults(name: str) -> dict[str, Any]:
    """Return the options of the task called `name` with their defaults."""
    if name not in TASKS:
        raise SettingError("TASK", f"must be one of {', '.join(TASKS)}", name, TASKS)
    parameters = inspect.signature(TASKS[name]).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters}
