"""Names short enough for a figure: a key has little room, however long a setting's words are."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from bpjax.results.store import RunTable

LONGEST = 28


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Return what to write for each name; no two are written alike.

    Example:
      >>> long = "a" * 40
      >>> list(short_names(["xor", long, long + "b"]).values())
      ['xor', 'aaaaaaaaaaaaaaaaaaaaaaaaaaa…', 'aaaaaaaaaaaaaaaaaaaaaaaaaaa… 2']
    """
    written: dict[str, str] = {}
    taken: set[str] = set()
    for name in sorted(set(names), key=lambda name: (len(name), name)):
        short = cut = name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
        number = 1
        while short in taken:
            number += 1
            short = f"{cut} {number}"
        written[name] = short
        taken.add(short)
    return written


def with_short_names(table: RunTable) -> RunTable:
    """Return a table whose task, criterion and settings have short names."""
    identity = table.identity
    tasks = identity["task"] if isinstance(identity["task"], list) else [identity["task"]]
    named = [{key: task[key] for key in ("name", "criterion", "options")} for task in tasks]
    names = short_names(_texts([named, identity["grid"], identity["columns"]]))
    short_tasks = [
        {**task, **_replaced(part, names)} for task, part in zip(tasks, named, strict=True)
    ]
    settings = {key: _replaced(identity[key], names) for key in ("grid", "columns")}
    task = short_tasks if isinstance(identity["task"], list) else short_tasks[0]
    columns = {
        names.get(key, key): _replaced_column(column, names)
        for key, column in table.columns.items()
    }
    return RunTable({**identity, **settings, "task": task}, columns)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for entry in value:
            yield from _texts(entry)
        if isinstance(value, Mapping):
            yield from _texts(list(value.values()))


def _replaced(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return names[value]
    if isinstance(value, Mapping):
        # The keys of a task's parts are words of ours.
        return {names.get(key, key): _replaced(entry, names) for key, entry in value.items()}
    return [_replaced(entry, names) for entry in value] if isinstance(value, list) else value


def _replaced_column(column: np.ndarray, names: Mapping[str, str]) -> np.ndarray:
    if column.dtype.kind != "U":
        return column
    values, places = np.unique(column, return_inverse=True)
    return np.array([names.get(value, value) for value in values.tolist()])[places]
