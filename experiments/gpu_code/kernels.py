"""How many kernels XLA starts for an epoch, read off its compiled program."""

import re
from typing import NamedTuple

FREE = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all", "copy-done"}
"""Operations without a kernel."""

Computations = dict[str, list["Operation"]]


class Operation(NamedTuple):
    """A line of a compiled program: what is done, and the rest of the line."""

    name: str
    rest: str


def kernels_of_an_epoch(hlo: str, epochs_per_turn: int = 1) -> dict[str, float]:
    """Return what is started for one turn of the outermost loop, by kind, for each of its epochs.

    Loops within it count as often as XLA says that they turn; without its word, once.

    Args:
      hlo: the compiled program as text.
      epochs_per_turn: how many epochs one turn of the outermost loop makes.

    Raises:
      ValueError: if the program has no loop, or a choice of which a kernel's count depends.
    """
    computations = _computations(hlo)
    loops = [line for line in computations["ENTRY"] if line.name == "while"]
    if not loops:
        raise ValueError("The program has no loop.")
    turns = [_started(computations, _parts_of_loop(loop)) for loop in loops]
    longest = max(turns, key=lambda counts: sum(counts.values()))
    return {kind: many / epochs_per_turn for kind, many in sorted(longest.items())}


def _computations(hlo: str) -> Computations:
    found: Computations = {}
    for line in hlo.splitlines():
        if head := re.match(r"(ENTRY )?%?([\w.-]+) \(.*\{$", line):
            lines = found.setdefault("ENTRY" if head[1] else head[2], [])
        elif part := re.match(r"\s+(?:ROOT )?%?[\w.-]+ = (?:\(.*?\)|\S+) ([\w-]+)(\(.*)", line):
            lines.append(Operation(part[1], part[2]))
    return found


def _started(computations: Computations, names: list[str]) -> dict[str, int]:
    """Return how many kernels of each kind some computations start, what they call included."""
    counts: dict[str, int] = {}
    for operation in (line for name in names for line in computations[name]):
        if operation.name in FREE:
            continue
        times, inner = _within(operation)
        started = _started(computations, inner) if inner else {operation.name: 1}
        for kind, many in started.items():
            counts[kind] = counts.get(kind, 0) + times * many
    return counts


def _within(operation: Operation) -> tuple[int, list[str]]:
    """Return how often an operation's computations are made, and which; a fusion is one kernel."""
    if operation.name == "while":
        turns = re.search(r'"known_trip_count":\{"n":"(\d+)"', operation.rest)
        return int(turns[1]) if turns else 1, _parts_of_loop(operation)
    if operation.name == "conditional":
        raise ValueError("How many kernels an epoch starts depends on a choice made on the card.")
    if operation.name == "call":
        return 1, re.findall(r"to_apply=%?([\w.-]+)", operation.rest)
    return 1, []


def _parts_of_loop(loop: Operation) -> list[str]:
    """Return a loop's body and, unless XLA knows how often it turns, its condition."""
    parts = "body" if "known_trip_count" in loop.rest else "body|condition"
    return re.findall(rf"(?:{parts})=%?([\w.-]+)", loop.rest)
