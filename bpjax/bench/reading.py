"""Records read back from their files: of the shape that the bench writes, or refused."""

import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from bpjax.bench.number import number_of
from bpjax.bench.record import SCHEMA_VERSION, served
from bpjax.bench.sizes import ALL_CORES, DEFAULT
from bpjax.errors import ResultsError
from bpjax.results.files import explained, read
from bpjax.results.schema import fault_of, nothing, number, positive, text
from bpjax.text import printable

READ = (1, SCHEMA_VERSION)
"""The schemas that are read. Version 1 does not say when and under which load it was made."""
LARGEST = 2**25
"""Bytes of a record."""

_FAILED = {"name": text, "worker": text, "refused": nothing, "failed": text}
_NUMBER = {
    "name": text,
    "unit": text,
    "definition": text,
    "cases": [text],
    "rounds": positive,
    "level": number,
}


def _rate(value: Any) -> bool:
    return number(value) and value > 0


_RANGE = {"median": _rate, "min": _rate, "max": _rate}
_VALUES = {"value": _rate, "low": _rate, "high": _rate}
_MEASURED = {
    "name": text,
    "worker": text,
    "refused": nothing,
    "failed?": nothing,
    "runs": positive,
    "epochs": positive,
    "compile_seconds": number,
    "rates": [_rate],
    **_RANGE,
    "ratio": (nothing, _rate),
    "agrees": (nothing, lambda value: isinstance(value, bool)),
    "outcome": {
        "runs": positive,
        "epochs": positive,
        "loss": (nothing, number),
        "solved": (nothing, number),
    },
}
_CASE = {
    "name": text,
    "failed?": nothing,
    "title": text,
    "network": text,
    "num_cases": positive,
    "num_parameters": positive,
    "learning_rate": (number, text),
    "momentum": (number, text),
    "init_range": number,
    "idiom?": (nothing, text),
    "chosen": text,
    "contenders": [({"name": text, "worker": text, "refused": text}, _FAILED, _MEASURED)],
}
_LANES = (
    {"name": text, "lanes": positive, "refused": nothing, "failed": nothing, **_RANGE},
    {"name": text, "lanes": positive, "refused": text, "failed?": nothing},
    {"name": text, "lanes": positive, "refused": nothing, "failed": text},
)
_WORKER = {
    "device_kind": text,
    "num_devices": positive,
    "xla_flags": text,
    "cpu?": (nothing, text),
    "versions": {"jax": text, "jaxlib": text, "numpy": text, "optax": text},
}
RECORD = {
    "schema_version": positive,
    "suite": text,
    "suite_version?": positive,
    "date?": (nothing, text),
    "budget": {"rounds": positive},
    "dtype": text,
    "lanes?": (nothing, positive),
    "machine": {
        "cpu_model": text,
        "num_cores": positive,
        "memory_bytes?": (nothing, positive),
        "system": text,
        "python": text,
        "bpjax": text,
        "commit?": (nothing, text),
    },
    "load?": {"start": (nothing, [number]), "end": (nothing, [number])},
    "workers": {DEFAULT: _WORKER, ALL_CORES: _WORKER},
    "cases": [({"name": text, "failed": text, "contenders": [nothing]}, _CASE)],
    "gpu?": (nothing, {"bound": (nothing, _rate), "lanes": [_LANES]}),
    "number?": (
        {**_NUMBER, "refused": text},
        {**_NUMBER, "refused": nothing, **_VALUES, "x_idiom": _VALUES},
    ),
}
"""The shape of what is read of a record."""


def read_record(path: str | PathLike[str]) -> dict[str, Any]:
    """Return a record; what its schema does not have is null, and its number is worked out.

    Raises:
      ResultsError: if it cannot be read or is no record of `READ`; the sentence says why.
    """
    with explained("read", Path(path)):
        content = read(Path(path), LARGEST)
    try:
        record = json.loads(content, parse_constant=_refuse)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict) or not isinstance(record.get("cases"), list):
        raise ResultsError(f"{str(path)!r} is no record of `bpjax bench --json`.")
    version = record.get("schema_version")
    if version not in READ:
        known = " and ".join(map(str, READ))
        raise ResultsError(f"{str(path)!r} has schema {version!r}; this bpjax reads {known}.")
    if fault := fault_of(record, RECORD, "record") or _uneven(record):
        raise ResultsError(f"{str(path)!r} is no record of `bpjax bench`: {fault}.")
    return _filled(printable(record))


def _refuse(name: str) -> None:
    raise ValueError(name)


def _uneven(record: Mapping[str, Any]) -> str | None:
    """Return what is wrong with cases and rounds, taken together; None if nothing is."""
    for case in record["cases"]:
        measured = [entry for entry in case["contenders"] if served(entry)]
        if any(not entry["rates"] for entry in measured):
            return f"a contender of {case['name']} has no rounds"
        if len({len(entry["rates"]) for entry in measured}) > 1:
            return f"the contenders of {case['name']} have other numbers of rounds"
    names = [case["name"] for case in record["cases"]]
    return None if len(set(names)) == len(names) else "it has a case twice"


def _filled(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record of version 1 with null for the keys that came later."""
    workers = record["workers"].items()
    cases = [{"failed": None, "idiom": None, **case} for case in record["cases"]]
    absent = {"suite_version": 1, "date": None, "lanes": None, "gpu": None, "seconds": None}
    filled = {
        **absent,
        **record,
        "load": record.get("load", {"start": None, "end": None}),
        "machine": {"memory_bytes": None, "commit": None, **record["machine"]},
        "workers": {role: {"cpu": None, **worker} for role, worker in workers},
        "cases": cases,
    }
    return filled if "number" in filled else filled | {"number": number_of(filled)}
