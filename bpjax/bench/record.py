"""The record of a bench: what was measured, on what, and what came out; fit for JSON."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from bpjax.bench.machine import load, machine, now
from bpjax.bench.sizes import IDIOM, SUITE_VERSION, Budget

SCHEMA_VERSION = 2
"""Rises when keys come, go, or change their meaning."""

LOSS_AGREES = 0.02
"""Relative difference of mean losses that rounding explains: the runs start from equal weights."""


def new_record(
    suite: str,
    budget: Budget,
    workers: Mapping[str, Any],
    precision: str = "float32",
    lanes: int | None = None,
) -> dict[str, Any]:
    """Return a record without cases, of which `number`, `load.end` and `seconds` come at the end.

    Args:
      suite: "cpu" or "gpu".
      budget: how long everything may take.
      workers: what each worker said of itself, by role.
      precision: of all that is trained.
      lanes: what was asked for, of ours per device; None for what a sweep takes.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "suite": suite,
        "suite_version": SUITE_VERSION,
        "date": now(),
        "budget": budget._asdict(),
        "dtype": precision,
        "lanes": lanes,
        "unit": "seed-epochs per second",
        "machine": machine(),
        "load": {"start": load(), "end": None},
        "workers": dict(workers),
        "cases": [],
        "useful": None,
        "gpu": None,
        "number": None,
        "seconds": None,
    }


def served(entry: Mapping[str, Any]) -> bool:
    """Tell whether something was measured: neither refused nor failed."""
    return not entry["refused"] and not entry.get("failed")


def entry_of(case: Mapping[str, Any], name: str | None) -> Mapping[str, Any] | None:
    """Return the entry of a contender of a case; None if there is none."""
    return next((entry for entry in case["contenders"] if entry["name"] == name), None)


def chosen_entry(case: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the entry of the implementation that a sweep takes; None if there is none."""
    return entry_of(case, case.get("chosen"))


def not_served(name: str, worker: str, refused: str | None, failed: str | None) -> dict[str, Any]:
    """Return the entry of a contender that was not measured, with the reason."""
    return {"name": name, "worker": worker, "refused": refused, "failed": failed}


def contender_entry(
    name: str, worker: str, prepared: Mapping[str, Any], epochs: int, turns: Sequence[Any]
) -> dict[str, Any]:
    """Return the entry of a contender.

    Args:
      name: the contender.
      worker: the role of the worker that it ran in.
      prepared: what the worker said of it: runs, compile time, outcome.
      epochs: of one turn.
      turns: `seconds` and `seed_epochs` of every turn.
    """
    rates = [turn["seed_epochs"] / turn["seconds"] for turn in turns]
    return {
        "name": name,
        "worker": worker,
        "refused": None,
        "failed": None,
        "runs": prepared["runs"],
        "epochs": epochs,
        "block_size": prepared["block_size"],
        "compile_seconds": prepared["compile_seconds"],
        "peak_bytes": prepared["peak_bytes"],
        "seconds": [turn["seconds"] for turn in turns],
        "rates": rates,
        "median": median(rates),
        "min": min(rates),
        "max": max(rates),
        "outcome": prepared["outcome"],
    }


def with_ratios(entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Add `ratio` and `agrees`, both against the idiom, to what was served.

    The ratio is the median over rounds of rate by rate, because neighbours in time share the
    machine's mood; it is None where the idiom was not served. What was computed is then held
    against the first that was, and `agrees` is None where nothing else was.

    Example:
      >>> served = {"refused": None, "outcome": {"loss": 0.5}}
      >>> idiom = served | {"name": "idiom", "rates": [1.0, 2.0, 4.0]}
      >>> ours = served | {"name": "ours", "rates": [10.0, 22.0, 80.0]}
      >>> [(entry["ratio"], entry["agrees"]) for entry in with_ratios([idiom, ours])]
      [(1.0, True), (11.0, True)]
    """
    measured = [entry for entry in entries if served(entry)]
    idiom = next((entry for entry in measured if entry["name"] == IDIOM), None)
    base = idiom or (measured[0] if len(measured) > 1 else None)
    return [
        {**entry, "ratio": _ratio(entry, idiom), "agrees": _agrees(entry, base)}
        if served(entry)
        else dict(entry)
        for entry in entries
    ]


def _ratio(entry: Mapping[str, Any], idiom: Mapping[str, Any] | None) -> float | None:
    if idiom is None:
        return None
    pairs = zip(entry["rates"], idiom["rates"], strict=True)
    return median(rate / base for rate, base in pairs)


def _agrees(entry: Mapping[str, Any], base: Mapping[str, Any] | None) -> bool | None:
    if base is None:
        return None
    ours, theirs = entry["outcome"]["loss"], base["outcome"]["loss"]
    return None not in (ours, theirs) and abs(ours - theirs) <= LOSS_AGREES * abs(theirs)


def disagreements(record: Mapping[str, Any]) -> list[str]:
    """Return "case: contender" of all whose mean loss is not that which it is held against."""
    return [
        f"{case['name']}: {entry['name']}"
        for case in record["cases"]
        for entry in case["contenders"]
        if served(entry) and entry["agrees"] is False
    ]


def failures(record: Mapping[str, Any]) -> list[str]:
    """Return "where: reason" of all that failed; what cannot be served has not failed."""
    parts = [(case["name"], case) for case in record["cases"]]
    for case in record["cases"]:
        parts += [(f"{case['name']}: {entry['name']}", entry) for entry in case["contenders"]]
    if record["useful"] is not None:
        parts.append((f"{record['useful']['case']} to its outcomes", record["useful"]))
    if record["gpu"] is not None:
        lanes, sweeps = record["gpu"]["lanes"], record["gpu"]["sweeps"]
        parts += [(f"{row['name']}, {row['lanes']:,} lanes", row) for row in lanes]
        parts += [(f"{row['implementation']}, {row['seeds']:,} runs", row) for row in sweeps]
    return [f"{where}: {part['failed']}" for where, part in parts if part.get("failed")]
