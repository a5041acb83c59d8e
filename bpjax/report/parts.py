"""What the parts of a report have in common: their shape, and what is said of any of them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bpjax.report.command import Repeat
from bpjax.report.figures import Figure
from bpjax.report.folders import Source
from bpjax.report.tables import Table
from bpjax.report.words import name, setting
from bpjax.results.schema import tasks_of
from bpjax.results.summary import told_settings
from bpjax.task import Task
from bpjax.told import told_task


class Number(NamedTuple):
    """A number to be seen first: what it is, its value, and how sure."""

    what: str
    value: str
    interval: str


class Part(NamedTuple):
    """One sweep or run.

    Attributes:
      name: the folder.
      task: what was trained, by name.
      title: likewise, in words.
      lead: the outcome in one sentence.
      numbers: the numbers to be seen first.
      notes: what a reader must know before believing them.
      tables: the outcome in full.
      figures: the outcome in pictures.
      facts: what was run: pairs of a word and a value.
      commands: how to repeat it; with the words before each.
      made: where and when.
    """

    name: str
    task: str
    title: str
    lead: str
    numbers: Sequence[Number]
    notes: Sequence[str]
    tables: Sequence[Table]
    figures: Sequence[Figure]
    facts: Sequence[tuple[str, str]]
    commands: Sequence[tuple[str, str]]
    made: Table


NO_COMMAND = (
    "It was made from Python with something that no option of the command line says, or by a "
    "version of bpjax with other tasks; so there is no command."
)


FROM_A_FILE = (
    "It was made by this command. The file that names its task is not part of these results; all "
    "that it computed is:"
)


def setting_facts(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what was set; what hardly anybody changes is told where it was changed."""
    told = told_settings(settings)
    if told.get("held_out") == 0:
        del told["held_out"]
    return [(name(key), setting(value)) for key, value in told.items()]


def machine_facts(source: Source) -> list[tuple[str, str]]:
    """Return versions, device and compiler flags."""
    versions = ", ".join(f"{key} {value}" for key, value in source.environment["versions"].items())
    facts = [("versions", versions), ("device", source.environment["device_kind"])]
    if source.identity["xla_flags"]:
        facts.append(("compiler flags", source.identity["xla_flags"]))
    if "matmul_precision" in source.identity:
        facts.append(("matrix products", source.identity["matmul_precision"]))
    return facts


def task_of(again: Repeat | None, source: Source) -> Task | None:
    """Return the task of a sweep or run, the first of its variants; None if it cannot be told.

    Where bpjax knows none like it, it is what its folder tells of it.
    """
    if again:
        return again.task
    return told_task(tasks_of(source.identity)[0], source.environment.get("task"))


def source_facts(task: Task | None) -> list[tuple[str, str]]:
    """Return where the experiment comes from, if that is known."""
    return [("experiment", task.source)] if task and task.source else []


def no_command(source: Source) -> tuple[str, str]:
    """Return why no identity tells a command; and the one that made it, if that is recorded."""
    command = source.environment.get("command", "")
    return (FROM_A_FILE, command) if command else (NO_COMMAND, "")


def before(again: Repeat) -> str:
    """Return the words before a command: how exactly it repeats."""
    if again.same_compiler:
        return "The same runs again, bit for bit with the same versions and kind of device:"
    return (
        "The same runs again. These were made from Python without the compiler flag that the "
        "command line sets, so last bits may differ:"
    )
