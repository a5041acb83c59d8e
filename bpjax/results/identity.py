"""What a sweep is: a mapping that JSON can hold, its fingerprint, and how two of them differ.

Three keys of an identity mean something to the storage: `runs` {`start`, `stop`}, the run indices
that a folder is to hold; `seeds` {`first`, `count`}: run `r` has the seed `first + r % count`,
because the cells of a grid repeat the same seeds; and `shard`, null or {`index`, `count`}.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from bpjax.results.sealed import check_value
from bpjax.text import printable

_ABSENT = object()


def fingerprint(identity: Mapping[str, Any]) -> str:
    """Return the sha256 of an identity, in hexadecimal; the order of its keys does not matter.

    Raises:
      ValueError: if the identity holds a NaN or an infinity.
      TypeError: if it holds something that JSON does not know.

    Example:
      >>> fingerprint({"b": 1, "a": 2}) == fingerprint({"a": 2, "b": 1})
      True
    """
    return hashlib.sha256(_canonical(as_stored(identity)).encode()).hexdigest()


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


def seeds_text(identity: Mapping[str, Any], start: int, stop: int) -> str:
    """Return the seeds of the runs `start` to `stop - 1` in words.

    Example:
      >>> seeds_text({"seeds": {"first": 100, "count": 10}}, 12, 15)
      'seeds 102 to 104'
      >>> seeds_text({"seeds": {"first": 100, "count": 10}}, 8, 12)
      'seeds 108 to 109 and 100 to 101'
    """
    first, count = identity["seeds"]["first"], identity["seeds"]["count"]
    low, high = first + start % count, first + (stop - 1) % count
    if stop - start >= count:
        return f"seeds {first} to {first + count - 1}"
    if low <= high:
        return f"seeds {low} to {high}"
    return f"seeds {low} to {first + count - 1} and {first} to {high}"


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _text(value: Any) -> str:
    return "absent" if value is _ABSENT else _canonical(value)


def _shortened(text: str, most: int = 60) -> str:
    return text if len(text) <= most else f"{text[:most]}..."
