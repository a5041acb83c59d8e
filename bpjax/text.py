"""Text that cannot disturb a terminal or a page."""

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
