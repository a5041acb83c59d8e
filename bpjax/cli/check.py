"""`bpjax check`: the proof that the hand-derived gradient is right."""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Annotated, Any

import tyro

from bpjax.cli.options import OfTask, arg, parse, task_variants
from bpjax.cli.output import say
from bpjax.cli.words import whole
from bpjax.errors import SettingError

OF_THE_GRADIENT = (
    *("unit", "hidden_unit", "output_unit", "loss"),
    *("initializer", "init_range", "updates", "order", "copies"),
)
"""Settings that change a gradient, or where and of which cases it is formed."""


@dataclasses.dataclass(frozen=True)
class Options:
    """Hold the hand-derived gradient against jax.grad, NumPy loops and central differences.

    Every connection of every task in float64, and random networks with skip connections, masks and
    ties. Exit code 1 if any is off. Lists of units or of anything else are all tried.
    """

    settings: OfTask

    tasks: tyro.conf.Positional[
        Annotated[tuple[str, ...], tyro.conf.arg(metavar="[TASK ...]", help_behavior_hint="")]
    ] = ()
    """Tasks to check, or files of your own: FILE.toml, or FILE.py:NAME, which is run. Without any,
    all tasks and random networks."""
    networks: Annotated[str | None, arg("N", "20, or none beside named tasks")] = None
    """Number of random networks."""


def main(words: Sequence[str]) -> int:
    """Print the table; return 1 if any connection is off."""
    options = parse(Options, "check", words)
    num_networks = 0 if options.tasks else 20
    if options.networks is not None:
        num_networks = whole("networks", options.networks)
    if num_networks < 0:
        raise SettingError("networks", "must be 0 or more", num_networks)

    from bpjax.gradient_check import check_gradients, check_task
    from bpjax.problems import random_problem
    from bpjax.tasks import TASKS

    tasks = [each for name in options.tasks or TASKS for each in _tasks(name, options.settings)]
    say(
        f"{'connection':<26}{'weights':>8}{'largest dE/dw':>15}   "
        "relative difference to jax.grad, NumPy, central differences"
    )
    rows: list[Any] = []
    for task, words in tasks:
        say(", ".join([task.name, task.network.describe(), *words]))
        rows += _show(check_task(task))
    for seed in range(num_networks):
        problem = random_problem(seed)
        say(f"random network {seed}, {problem.network.describe()}")
        rows += _show(check_gradients(*problem))
    num_off = sum(not row.ok for row in rows)
    say(f"{len(rows)} connections, biases and inputs checked in float64, {num_off} off.")
    return 1 if num_off else 0


def _tasks(name: str, settings: Any) -> list[tuple[Any, list[str]]]:
    """Return the task in all variants that the settings make, each with what was set."""
    from bpjax.task import is_grid

    variants, others = task_variants(name, settings)
    for name, value in others.items():
        if name not in OF_THE_GRADIENT:
            rule = "must be left out: a check trains nothing, and computes in float64"
            raise SettingError(name, rule, value)
    axes = [value if is_grid(value) else [value] for value in others.values()]
    points = [dict(zip(others, point, strict=True)) for point in itertools.product(*axes)]
    return [
        (variant.with_settings(**point), [f"{name} {value}" for name, value in point.items()])
        for variant in variants
        for point in points
    ]


def _show(rows: Sequence[Any]) -> Sequence[Any]:
    for row in rows:
        say(
            f"  {row.name:<24}{row.num_parameters:>8}{row.largest_gradient:>15.2e}"
            f"{row.versus_jax:>12.1e}{row.versus_numpy:>10.1e}{row.versus_differences:>10.1e}"
            f"{'' if row.ok else '  OFF'}"
        )
    return rows
