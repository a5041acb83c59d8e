"""Kinds of values that keys of an experiment file may have, each with its rule in words."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple


class Refused(ValueError):
    """A value breaks the rule of its kind; the text is the rule: "must be a number"."""


class Kind(NamedTuple):
    """What values a key may have.

    Attributes:
      words: the rule in words, read after "must be": "a whole number from 1".
      accept: returns a value as it is kept, and raises `Refused` for a wrong one.
    """

    words: str
    accept: Callable[[Any], Any]


def _kind(
    words: str, holds: Callable[[Any], bool], kept: Callable[[Any], Any] = lambda x: x
) -> Kind:
    def accept(value: Any) -> Any:
        if not holds(value):
            raise Refused(f"must be {words}")
        return kept(value)

    return Kind(words, accept)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) if isinstance(value, float) else abs(value) < 2**62


def whole(least: int, most: int) -> Kind:
    """Return the kind of whole numbers in a range.

    Example:
      >>> whole(1, 65536).accept(3), whole(1, 65536).words
      (3, 'a whole number from 1 to 65,536')
    """
    words = f"a whole number from {least:,} to {most:,}"
    return _kind(words, lambda value: _is_whole(value) and least <= value <= most)


def choice(names: Callable[[], Iterable[str]]) -> Kind:
    """Return the kind of names out of a table, which is asked each time.

    Example:
      >>> choice(lambda: ("none", "range")).accept("none")
      'none'
    """
    words = f"one of {', '.join(names())}"
    return _kind(words, lambda value: isinstance(value, str) and value in tuple(names()))


def list_of(kind: Kind, what: str, least: int = 0) -> Kind:
    """Return the kind of lists, each of whose entries is of one kind; they are kept as tuples.

    Example:
      >>> list_of(NUMBER, "numbers").accept([1, 2.5])
      (1, 2.5)
    """
    words = f"a list of {what}"

    def accept(value: Any) -> Any:
        if not isinstance(value, list | tuple) or len(value) < least:
            raise Refused(f"must be {words}")
        try:
            return tuple(map(kind.accept, value))
        except Refused as fault:
            raise Refused(f"must be {words}: each {fault}") from None

    return Kind(words, accept)


def either(*kinds: Kind) -> Kind:
    """Return the kind of values that are of the first kind that takes them.

    Example:
      >>> either(FLAG, TEXT).words
      'true or false, or text'
    """
    words = ", or ".join(kind.words for kind in kinds)

    def accept(value: Any) -> Any:
        for kind in kinds:
            try:
                return kind.accept(value)
            except Refused:
                continue
        raise Refused(f"must be {words}")

    return Kind(words, accept)


TEXT = _kind("text", lambda value: isinstance(value, str))
LETTER = _kind("one character", lambda value: isinstance(value, str) and len(value) == 1)
FILE = _kind(
    "the name of a file", lambda value: isinstance(value, str) and bool(value) and "\0" not in value
)
FLAG = _kind("true or false", lambda value: isinstance(value, bool))
NUMBER = _kind("a finite number", _is_number)
TABLE = _kind("a table of NAME = VALUE", lambda value: isinstance(value, Mapping), dict)
CELL = either(NUMBER, FLAG, TEXT)
NAME = _kind(
    "letters, digits, dots, dashes or underscores, with a letter or digit first",
    lambda value: is_name(value),
)
ANY = Kind("as said", lambda value: value)
"""A value whose rule is told and kept elsewhere: by the recipe, the criterion or the loss."""


def is_name(value: Any) -> bool:
    """Tell whether a value may name a task: it is part of the name of a folder too.

    Example:
      >>> is_name("iris-2"), is_name("../iris"), is_name("")
      (True, False, False)
    """
    good = isinstance(value, str) and 0 < len(value) <= 100 and value.isascii()
    return good and value[0].isalnum() and all(c.isalnum() or c in "._-" for c in value)
