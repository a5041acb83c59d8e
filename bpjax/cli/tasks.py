"""`bpjax tasks`: what can be trained, and where it comes from."""

import dataclasses
import json
import shutil
import textwrap
from collections.abc import Sequence
from typing import Any

from bpjax.cli.options import Task, parse
from bpjax.cli.output import say

WIDTH = 80
"""Columns of the table."""


@dataclasses.dataclass(frozen=True)
class Options:
    """List the tasks, or tell all of one: network, recipe, options, published figures, source."""

    task: Task = None
    """Tell all of this one."""
    json: bool = False
    """Print all of every task, or of the one, as JSON."""


def main(words: Sequence[str]) -> int:
    """Print a table of all tasks, or everything about one."""
    options = parse(Options, "tasks", words)
    from bpjax.tasks import TASKS

    if options.json:
        told = {name: _told(name) for name in ([options.task] if options.task else TASKS)}
        say(json.dumps(told[options.task] if options.task else told, indent=2))
    elif options.task:
        _say_all(_told(options.task))
    else:
        _say_table([_told(name) for name in TASKS])
    return 0


def _told(name: str) -> dict[str, Any]:
    """Return what there is to say of a task, fit for JSON."""
    from bpjax.schedule import as_schedule
    from bpjax.tasks import make_task, option_defaults

    task = make_task(name)
    recipe = task.recipe
    return {
        "name": name,
        "title": task.title,
        "network": task.network.describe(),
        "num_parameters": task.network.num_parameters,
        "num_cases": task.num_cases,
        "learning_rate": str(as_schedule(recipe.learning_rate)),
        "momentum": str(as_schedule(recipe.momentum)),
        "init_range": recipe.init_range,
        "updates": recipe.updates,
        "max_epochs": recipe.max_epochs,
        "solved": str(task.criterion),
        "options": option_defaults(name),
        "published": [figure._asdict() for figure in task.published],
        "open": task.open_choices,
        "source": task.source,
    }


def _say_table(tasks: Sequence[dict[str, Any]]) -> None:
    """Print a line for each task."""
    name_width = max(len(task["name"]) for task in tasks)
    left = WIDTH - name_width - len("  cases  weights  ")
    say(f"{'task':<{name_width}}  cases  weights  what")
    for task in tasks:
        title = textwrap.shorten(task["title"], left, placeholder=" ...")
        numbers = f"{task['num_cases']:>5}  {task['num_parameters']:>7}"
        say(f"{task['name']:<{name_width}}  {numbers}  {title}")
    say("\nAll of one: `bpjax tasks NAME`; of all, for a program: `bpjax tasks --json`.")


def _under(figure: dict[str, Any]) -> str:
    return f"; under {figure['under']}" if figure["under"] else ""


def _say_all(told: dict[str, Any]) -> None:
    """Print everything about a task, in lines that fit the terminal."""
    say(f"{told['name']}: {told['title']}")
    options = [f"{name}={value}" for name, value in told["options"].items()]
    lines = [
        (
            "network",
            f"{told['network']}, {told['num_parameters']} parameters, {told['num_cases']} cases",
        ),
        (
            "recipe",
            f"learning rate {told['learning_rate']}, momentum {told['momentum']}, weights in "
            f"+-{told['init_range']}, {told['updates']} updates, cap {told['max_epochs']}",
        ),
        ("solved", told["solved"]),
        ("options", ", ".join(options) or "none"),
        *(
            ("published", f"{each['figure']} ({each['mark']}; {each['source']})" + _under(each))
            for each in told["published"]
        ),
        ("open", told["open"]),
        ("source", told["source"]),
    ]
    width = min(shutil.get_terminal_size((WIDTH, 24)).columns, 100)
    for name, text in lines:
        say(textwrap.fill(text, width, initial_indent=f"  {name:<10}", subsequent_indent=" " * 12))
