"""What the parts of a report have in common: their shape, and what is said of any of them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bpjax.report.command import Repeat
from bpjax.report.figures import Figure
from bpjax.report.folders import Source
from bpjax.report.tables import Table
from bpjax.report.words import name, setting
from bpjax.results.summary import told_settings


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


def source_facts(again: Repeat | None) -> list[tuple[str, str]]:
    """Return where the experiment comes from, if the task is one that bpjax knows."""
    return [("experiment", again.task.source)] if again else []


def before(again: Repeat) -> str:
    """Return the words before a command: how exactly it repeats."""
    if again.same_compiler:
        return "The same runs again, bit for bit with the same versions and kind of device:"
    return (
        "The same runs again. These were made from Python without the compiler flag that the "
        "command line sets, so last bits may differ:"
    )
