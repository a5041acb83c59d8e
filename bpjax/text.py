"""Text that cannot disturb a terminal or a page, and times and large numbers in words."""

from __future__ import annotations

from collections.abc import Mapping

TYPE_CHECKING = False  # `typing` takes long to import
if TYPE_CHECKING:
    from typing import Any


def printable(value: Any) -> Any:
    r"""Return a value from JSON with all its text free of characters that do not print.

    Control characters, halves of surrogate pairs and marks that turn the direction of writing are
    shown as they would be typed. What is markup in HTML is the template's to escape.

    Example:
      >>> printable({"a": ["<b>", chr(7), chr(0x202E)]})
      {'a': ['<b>', '\\x07', '\\u202e']}
    """
    if isinstance(value, str):
        return value if value.isprintable() else "".join(map(_typed, value))
    if isinstance(value, Mapping):
        return {printable(key): printable(entry) for key, entry in value.items()}
    return [printable(entry) for entry in value] if isinstance(value, list) else value


def _typed(character: str) -> str:
    return character if character.isprintable() else repr(character)[1:-1]


def shortened(text: str, most: int) -> str:
    """Return a text of at most so many characters, with three dots where some are left out.

    Example:
      >>> shortened("a long text", 8), shortened("short", 8)
      ('a lon...', 'short')
    """
    return text if len(text) <= most else f"{text[: most - 3]}..."


def duration(seconds: float, decimals: int = 1) -> str:
    """Return a time in words of two units at most.

    Args:
      seconds: how long.
      decimals: of times below a minute.

    Example:
      >>> [duration(s) for s in (0.42, 62.8, 7384)], duration(0.42, decimals=0)
      (['0.4 s', '1 min 3 s', '2 h 3 min'], '0 s')
    """
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 1:
        return f"{seconds:.{decimals}f} s"
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60} min"


def rounded(number: float) -> str:
    """Return a large number in two or three digits, with a prefix.

    Example:
      >>> [rounded(x) for x in (950, 5.31e6, 2e9)]
      ['950', '5.3 M', '2.0 G']
    """
    for size, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.1f} {prefix}"
    return f"{number:.0f}"
