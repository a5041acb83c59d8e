"""What a sweep is: a mapping that JSON can hold, its fingerprint, and how two of them differ.

An identity says what is computed, and which runs of that: the keys of `WHICH`, which
`bpjax.results.extent` explains. Folders of one fingerprint are of one sweep, whatever seeds of it
they hold: the fingerprint is of `what`.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from bpjax.results.sealed import check_value
from bpjax.text import printable

_ABSENT = object()

WHICH = ("seeds", "shard", "runs")
"""The keys of an identity that say which runs, and not what they are."""


def what(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an identity says of every run, whichever there are."""
    return {key: value for key, value in identity.items() if key not in WHICH}


def fingerprint(identity: Mapping[str, Any]) -> str:
    """Return the sha256 of what is computed, in hexadecimal; the order of keys does not matter.

    Raises:
      ValueError: if the identity holds a NaN or an infinity.
      TypeError: if it holds something that JSON does not know.

    Example:
      >>> fingerprint({"b": 1, "a": 2}) == fingerprint({"a": 2, "b": 1, "seeds": [[0, 100]]})
      True
    """
    return digest(what(identity))


def digest(content: Mapping[str, Any]) -> str:
    """Return the sha256 of all of a mapping; errors as of `fingerprint`."""
    return hashlib.sha256(_canonical(as_stored(content)).encode()).hexdigest()


def as_stored(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping as it is read back from JSON: lists for tuples, text that prints.

    Raises:
      ValueError: if it holds a NaN, an infinity, or what would not be read again.
      TypeError: if it holds something that JSON does not know.
    """
    stored = printable(json.loads(json.dumps(dict(content), allow_nan=False)))
    check_value(stored)
    return stored  # type: ignore[no-any-return]


def differences(old: Any, new: Any, field: str = "") -> Iterator[str]:
    """Yield one phrase for every field in which two stored identities differ.

    Example:
      >>> for phrase in differences({"a": {"b": 1, "c": [2, 3]}}, {"a": {"b": 1.0, "c": [2, 4]}}):
      ...     print(phrase)
      `a.b` was 1, is now 1.0
      `a.c.1` was 3, is now 4
    """
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        old, new = dict(enumerate(old)), dict(enumerate(new))
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            inner = f"{field}.{key}" if field else str(key)
            yield from differences(old.get(key, _ABSENT), new.get(key, _ABSENT), inner)
    elif (was := _text(old)) != (now := _text(new)):  # as text, since 1 == 1.0 == True
        yield f"`{field}` was {_shortened(was)}, is now {_shortened(now)}"


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _text(value: Any) -> str:
    return "absent" if value is _ABSENT else _canonical(value)


def _shortened(text: str, most: int = 60) -> str:
    return text if len(text) <= most else f"{text[:most]}..."
