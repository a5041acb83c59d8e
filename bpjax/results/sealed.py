"""JSON as bpjax stores it: sealed when written, and read with suspicion.

The last entry of a file is its seal, the sha256 of all bytes before it: `head -c -68 FILE |
sha256sum` prints it. A seal finds every accident. A stranger can compute one too, so what is read
is bounded as well: in size, in depth, in the size of its numbers, and its text prints.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bpjax.errors import ResultsError
from bpjax.results import files

MOST_BYTES = 2**27
"""Of a JSON file."""
MOST_VALUES = {b"{": 2**20, b"[": 2**22, b",": 2**23}
"""How often these may stand in it, so that it takes no more than about a gigabyte when read."""
MOST_DEPTH = 64
LARGEST_NUMBER = 2**64

_END = b'"\n}\n'
_SEAL_LENGTH = 64


def seal_of(body: bytes | memoryview) -> bytes:
    """Return the seal of a file's other bytes: their sha256 in hexadecimal."""
    return hashlib.sha256(body).hexdigest().encode()


def publish_sealed(path: Path, content: Mapping[str, Any]) -> None:
    """Put `content` in place as an indented JSON file with a seal.

    Raises:
      ValueError: if a number in it is a NaN or an infinity.
      ResultsError: if it is larger than what would be read again, or the file cannot be written.
    """
    data = sealed(content)
    if fault := _excess(data):
        raise ResultsError(f"cannot write {str(path)!r}: {fault}.")
    files.publish(path, data)


def read_sealed(path: Path) -> dict[str, Any]:
    """Return what `publish_sealed` wrote.

    Raises:
      FileNotFoundError: if it is not there.
      ValueError: if it is damaged; the text is the reason, read after the file's name and a colon.
      ResultsError: if it cannot be read for a reason that says nothing about it.
    """
    return unsealed(files.read_stored(path, MOST_BYTES))


def sealed(content: Mapping[str, Any]) -> bytes:
    """Return the bytes of a file with this content.

    Raises:
      ValueError: if a number in it is a NaN or an infinity, or it has a key "seal".
    """
    if "seal" in content:
        raise ValueError("the key 'seal' is taken.")
    placed = {**content, "seal": "0" * _SEAL_LENGTH}
    text = json.dumps(placed, indent=2, allow_nan=False) + "\n"
    body = text.encode()[: -_SEAL_LENGTH - len(_END)]
    return body + seal_of(body) + _END


def unsealed(data: bytes) -> dict[str, Any]:
    """Return the content of a sealed file.

    Raises:
      ValueError: if it is damaged, or is not what bpjax writes; the text is the reason.
    """
    check_text_seal(data)
    content = parsed(data)
    if not isinstance(content, dict):
        raise ValueError("it holds no JSON object")
    content.pop("seal", None)
    return content


def check_text_seal(data: bytes) -> None:
    """Raise a `ValueError` unless every byte of a JSON file is one that `sealed` wrote."""
    body = data[: -_SEAL_LENGTH - len(_END)]
    if data != body + seal_of(body) + _END:
        raise ValueError("its bytes do not match its checksum")


def parsed(data: bytes) -> Any:
    """Return the value of a JSON text, if it is one that bpjax would write.

    Raises:
      ValueError: if it is no JSON, too large, names a key twice, or `check_value` complains.
    """
    if fault := _excess(data):
        raise ValueError(fault)
    try:
        value = json.loads(
            data.decode(),
            object_pairs_hook=_without_repetition,
            parse_int=_whole,
            parse_constant=_no_number,
        )
    except UnicodeDecodeError:
        raise ValueError("it is no text") from None
    except json.JSONDecodeError:
        raise ValueError("it is no JSON") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    check_value(value)
    return value


def check_value(value: Any, depth: int = 0) -> None:
    """Raise a `ValueError` unless a value from JSON is finite, printable and not too deep."""
    if isinstance(value, str):
        if not value.isprintable():
            raise ValueError("it holds text that does not print")
    elif isinstance(value, float | int):
        if not (abs(value) < LARGEST_NUMBER if isinstance(value, int) else math.isfinite(value)):
            raise ValueError("it holds a number that is too large")
    elif isinstance(value, dict | list):
        if depth == MOST_DEPTH:
            raise ValueError("it is nested too deeply")
        for entry in value:
            check_value(entry, depth + 1)
        for entry in value.values() if isinstance(value, dict) else ():
            check_value(entry, depth + 1)


def _excess(data: bytes) -> str | None:
    """Return what makes a JSON text too large to be read; None if nothing does."""
    if len(data) > MOST_BYTES:
        return f"it has more than {MOST_BYTES:,} bytes"
    counts = ((data.count(mark), most) for mark, most in MOST_VALUES.items())
    return "it holds too many values" if any(count > most for count, most in counts) else None


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("it names a key twice")
    return content


def _whole(digits: str) -> int:
    if len(digits) > 20:
        raise ValueError("it holds a number that is too large")
    return int(digits)


def _no_number(name: str) -> None:
    raise ValueError(f"it holds {name}, which is no JSON")
