"""`bpjax tasks`: what can be trained, and where it comes from."""

import dataclasses
from collections.abc import Sequence

from bpjax.cli.options import parse


@dataclasses.dataclass(frozen=True)
class Options:
    """List the tasks with network, recipe and source."""


def main(words: Sequence[str]) -> int:
    """Print every task with its defaults."""
    parse(Options, "tasks", words)
    from bpjax.learning import as_schedule
    from bpjax.tasks import TASKS, make_task, option_defaults

    for name in TASKS:
        task = make_task(name)
        recipe = task.recipe
        options = ", ".join(f"{option}={value}" for option, value in option_defaults(name).items())
        print(f"{name}: {task.title}")
        print(
            f"  network   {task.network.describe()}, {task.network.num_parameters} parameters, "
            f"{task.num_cases} cases"
        )
        print(
            f"  recipe    learning rate {as_schedule(recipe.learning_rate)}, "
            f"momentum {as_schedule(recipe.momentum)}, weights in +-{recipe.init_range}, "
            f"{recipe.updates} updates, cap {recipe.max_epochs}"
        )
        print(f"  solved    {task.criterion}")
        print(f"  options   {options}")
        for figure in task.published:
            print(f"  published {figure.figure} ({figure.mark}; {figure.source})")
        print(f"  open      {task.open_choices}")
        print(f"  source    {task.source}")
        print()
    return 0
