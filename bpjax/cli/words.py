"""Words to values: numbers, ranges of them, and whatever else an option or NAME=VALUE spells."""

import math
from collections.abc import Iterable
from typing import Any

from bpjax.errors import SettingError


def number(option: str, text: str) -> float:
    """Return the number that `text` spells; whether it is in range is the library's to say."""
    try:
        return float(text)
    except ValueError:
        raise SettingError(option, "must be a number", text) from None


def whole(option: str, text: str) -> int:
    """Return the whole number that `text` spells."""
    try:
        return int(text)
    except ValueError:
        raise SettingError(option, "must be a whole number", text) from None


def numbers(option: str, words: Iterable[str]) -> list[float]:
    """Return the numbers of a list whose entries may be ranges.

    Example:
      >>> numbers("learning_rate", ["0.05", "0.1:10:log3"])
      [0.05, 0.1, 1.0, 10.0]
    """
    found: list[float] = []
    for word in words:
        found += _range(option, word) if ":" in word else [number(option, word)]
    return found


MOST_POINTS = 10_000
"""In one range, and of the options of a task."""


def whole_numbers(option: str, words: Iterable[str]) -> list[int]:
    """Return the whole numbers of a list whose entries may be linear ranges.

    Example:
      >>> whole_numbers("hidden", ["2", "4:8:lin3"])
      [2, 4, 6, 8]
    """
    found: list[int] = []
    for word in words:
        if ":" not in word:
            found.append(whole(option, word))
            continue
        values = _range(option, word)
        if any(value != int(value) for value in values):
            raise SettingError(option, "must be a range of whole numbers, like 2:8:lin7", word)
        found += map(int, values)
    return found


def _range(option: str, word: str) -> list[float]:
    rule = "must be a range like 0.1:10:log25 or 0:1:lin11"
    parts = word.split(":")
    kind, count = parts[-1][:3], parts[-1][3:]
    if len(parts) != 3 or kind not in ("lin", "log") or not count.isdecimal():
        raise SettingError(option, rule, word)
    if not 2 <= whole(option, count) <= MOST_POINTS:
        raise SettingError(option, f"{rule}, of 2 to {MOST_POINTS:,} numbers", word)
    first, last = number(option, parts[0]), number(option, parts[1])
    if not (math.isfinite(first) and math.isfinite(last)) or (
        kind == "log" and min(first, last) <= 0
    ):
        raise SettingError(option, f"{rule}, with ends that are finite, and above 0 for log", word)
    if not math.isfinite(last - first if kind == "lin" else last / first):
        raise SettingError(option, f"{rule}, with ends that are less far apart", word)
    steps = [k / (int(count) - 1) for k in range(int(count))]
    if kind == "lin":
        values = [first + (last - first) * step for step in steps]
    else:
        values = [first * (last / first) ** step for step in steps]
    # Twelve digits, so that a grid point has the same name however it was reached.
    return [float(f"{value:.12g}") for value in values]


def literal(text: str) -> Any:
    """Return the value that the right side of NAME=VALUE spells.

    Example:
      >>> [literal(text) for text in ("3", "0.1", "true", "case")]
      [3, 0.1, True, 'case']
    """
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def shard(text: str) -> tuple[int, int]:
    """Return (i, n) of "i/n"."""
    index, slash, count = text.partition("/")
    if not slash or not index.isdecimal() or not count.isdecimal():
        raise SettingError("shard", "must be i/n with 1 <= i <= n", text)
    return whole("shard", index), whole("shard", count)


def seeds(text: str) -> int | list[range]:
    """Return how many seeds a text asks for, or which ones it names, ends included, as ranges.

    Example:
      >>> seeds("1000"), seeds("0-99,200-299"), seeds("3,17")
      (1000, [range(0, 100), range(200, 300)], [range(3, 4), range(17, 18)])
    """
    if "-" not in text[1:] and "," not in text:
        return whole("seeds", text)
    found = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        ends = (first, last) if dash else (first, first)
        if not all(map(str.isdecimal, ends)) or whole("seeds", ends[0]) > whole("seeds", ends[1]):
            rule = "must be how many, or which: a range like 100-199, or a list like 3,17,40-49"
            raise SettingError("seeds", rule, text)
        found.append(range(int(ends[0]), int(ends[1]) + 1))
    return found
