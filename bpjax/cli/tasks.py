"""`bpjax tasks`: what can be trained, and where it comes from."""

import dataclasses
from collections.abc import Sequence

from bpjax.cli.options import parse
from bpjax.cli.output import say


@dataclasses.dataclass(frozen=True)
class Options:
    """List the tasks with network, recipe and source."""


def main(words: Sequence[str]) -> int:
    """Print every task with its defaults."""
    parse(Options, "tasks", words)
    from bpjax.schedule import as_schedule
    from bpjax.tasks import TASKS, make_task, option_defaults

    for name in TASKS:
        task = make_task(name)
        recipe = task.recipe
        options = ", ".join(f"{option}={value}" for option, value in option_defaults(name).items())
        say(f"{name}: {task.title}")
        say(
            f"  network   {task.network.describe()}, {task.network.num_parameters} parameters, "
            f"{task.num_cases} cases"
        )
        say(
            f"  recipe    learning rate {as_schedule(recipe.learning_rate)}, "
            f"momentum {as_schedule(recipe.momentum)}, weights in +-{recipe.init_range}, "
            f"{recipe.updates} updates, cap {recipe.max_epochs}"
        )
        say(f"  solved    {task.criterion}")
        say(f"  options   {options}")
        for figure in task.published:
            say(f"  published {figure.figure} ({figure.mark}; {figure.source})")
        say(f"  open      {task.open_choices}")
        say(f"  source    {task.source}")
        say()
    return 0
