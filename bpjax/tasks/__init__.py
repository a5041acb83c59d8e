"""The experiments, one file each; every task is a function of its options."""

import inspect
from collections.abc import Callable
from typing import Any

from bpjax.errors import SettingError
from bpjax.task import Task
from bpjax.tasks.addition import addition
from bpjax.tasks.encoder import encoder
from bpjax.tasks.family_trees import family_trees
from bpjax.tasks.graded_code import graded_code
from bpjax.tasks.negation import negation
from bpjax.tasks.parity import parity
from bpjax.tasks.sequence import sequence, timing
from bpjax.tasks.shift_register import shift_register
from bpjax.tasks.symmetry import symmetry
from bpjax.tasks.t_c import t_c
from bpjax.tasks.xor import xor

TASKS: dict[str, Callable[..., Task]] = {
    "symmetry": symmetry,
    "xor": xor,
    "parity": parity,
    "encoder": encoder,
    "graded-code": graded_code,
    "addition": addition,
    "negation": negation,
    "t-c": t_c,
    "shift-register": shift_register,
    "sequence": sequence,
    "timing": timing,
    "family-trees": family_trees,
}
"""Every task by name, in the order in which they are listed."""

__all__ = [
    "TASKS",
    "addition",
    "encoder",
    "family_trees",
    "graded_code",
    "make_task",
    "negation",
    "option_defaults",
    "parity",
    "sequence",
    "shift_register",
    "symmetry",
    "t_c",
    "timing",
    "xor",
]


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
            raise SettingError(
                option, f"is no option of task {name}; its options: {choices}", value
            )
    return TASKS[name](**options)


def option_defaults(name: str) -> dict[str, Any]:
    """Return the options of the task called `name` with their defaults."""
    if name not in TASKS:
        raise SettingError("TASK", f"must be one of {', '.join(TASKS)}", name)
    parameters = inspect.signature(TASKS[name]).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters}
