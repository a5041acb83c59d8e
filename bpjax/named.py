"""Words that name one of a table's functions and may set its options: `NAME(key=value, ...)`."""

import contextlib
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bpjax.errors import SettingError
from bpjax.numbers import as_float

Option = bool | float | str
LARGEST = 2.0**127
"""A number above it is none in float32, in which whatever is named may compute."""


def read_named(
    setting: str, text: str, table: Mapping[str, Callable[..., Any]]
) -> tuple[str, dict[str, Option]]:
    """Return which function a text names, and the options that are not at their defaults.

    Args:
      setting: what the text is given as, for the sentence.
      text: `NAME` or `NAME(key=value, ...)`; a value is a number, true or false, or a word.
      table: functions by name; what may be set are their keyword-only arguments, whose defaults say
        of which kind each is. Which numbers and words are good, the functions know.

    Raises:
      SettingError: for another name or option, an option set twice, or a value of another kind.

    Example:
      >>> def polygon(size, *, corners=3.0, filled=False): ...
      >>> read_named("shape", "polygon(filled=true, corners=3)", {"polygon": polygon})
      ('polygon', {'filled': True})
    """
    found = re.fullmatch(r"\s*([^\s(]+)\s*(?:\((.*)\)\s*)?", text, re.DOTALL)
    name, inside = found.groups() if found else (text, None)
    if name not in table:
        raise SettingError(setting, f"must be one of {', '.join(table)}", text, table)
    known = defaults_of(table[name])
    given: dict[str, Option] = {}
    for part in inside.split(",") if inside and inside.strip() else ():
        key, _, word = (piece.strip() for piece in part.partition("="))
        if key not in known:
            only = f"only options of {name} ({', '.join(known)})" if known else "no options"
            raise SettingError(setting, f"must have {only} in brackets, as key=value", text)
        if key in given:
            raise SettingError(setting, f"must have {key} only once", text)
        kind, read = _KINDS.get(type(known[key]), _KINDS[float])
        if (value := read(word)) is None:
            raise SettingError(setting, f"must have {kind} as {key}", text)
        given[key] = value
    return name, {key: given[key] for key in known if given.get(key, known[key]) != known[key]}


@contextlib.contextmanager
def as_fault_of(setting: str, text: str) -> Iterator[None]:
    """Say of a fault in an option that the text as a whole is wrong, and where."""
    try:
        yield
    except SettingError as fault:
        rule = f"must be right in {fault.setting}, which {fault.rule}"
        raise SettingError(setting, rule, text) from None


def spell_named(name: str, options: Mapping[str, Option]) -> str:
    """Return the text that `read_named` reads, the same for all that mean the same.

    Example:
      >>> spell_named("polygon", {"corners": 5.0, "filled": True}), spell_named("polygon", {})
      ('polygon(corners=5.0, filled=true)', 'polygon')
    """
    words = [f"{key}={str(value).lower()}" for key, value in options.items()]
    return f"{name}({', '.join(words)})" if words else name


def defaults_of(function: Callable[..., Any]) -> dict[str, Option]:
    """Return the options of a function, its keyword-only arguments, with their defaults."""
    parameters = inspect.signature(function).parameters.values()
    return {each.name: each.default for each in parameters if each.kind is each.KEYWORD_ONLY}


def _truth(word: str) -> bool | None:
    return {"true": True, "false": False}.get(word.lower())


def _number(word: str) -> float | None:
    try:
        number = as_float(float(word))
    except ValueError:
        return None
    return None if number is None or abs(number) > LARGEST else number


def _word(word: str) -> str | None:
    return word if re.fullmatch(r"[a-z][a-z-]*", word) else None


_KINDS: dict[type, tuple[str, Callable[[str], Option | None]]] = {
    bool: ("true or false", _truth),
    float: ("a number within float32", _number),
    str: ("a word", _word),
}
