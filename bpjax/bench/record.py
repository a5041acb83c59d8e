"""The record of a bench: what was measured, on what, and what came out; fit for JSON."""

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from bpjax.bench.sizes import IDIOM, Budget
from bpjax.version import __version__

SCHEMA_VERSION = 1
"""Rises when a field changes its name or meaning."""

LOSS_AGREES = 0.02
"""Relative difference of mean losses that rounding explains: the runs start from equal weights."""


def machine() -> dict[str, Any]:
    """Return what the bench runs on."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS has no affinity
        cores = os.cpu_count() or 1
    return {
        "cpu_model": _cpu_model(),
        "num_cores": cores,
        "system": platform.platform(),
        "python": platform.python_version(),
        "bpjax": __version__,
    }


def _cpu_model() -> str:
    if sys.platform == "linux":
        try:
            with open("/proc/cpuinfo", encoding="utf-8") as lines:
                names = [line.split(":", 1)[1] for line in lines if line.startswith("model name")]
        except OSError:
            names = []
        if names:
            return names[0].strip()
    return platform.processor() or platform.machine()


def new_record(suite: str, budget: Budget, workers: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record without cases; `seconds` is for how long it all took.

    Args:
      suite: "cpu" or "gpu".
      budget: how long everything may take.
      workers: what each worker said of itself, by role.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "suite": suite,
        "budget": budget._asdict(),
        "dtype": "float32",
        "unit": "seed-epochs per second",
        "machine": machine(),
        "workers": dict(workers),
        "cases": [],
        "useful": None,
        "gpu": None,
        "seconds": None,
    }


def served(entry: Mapping[str, Any]) -> bool:
    """Tell whether something was measured: neither refused nor failed."""
    return not entry["refused"] and not entry.get("failed")


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
    machine's mood. Both are None where the idiom itself was not served.

    Example:
      >>> served = {"refused": None, "outcome": {"loss": 0.5}}
      >>> idiom = served | {"name": "idiom", "rates": [1.0, 2.0, 4.0]}
      >>> ours = served | {"name": "ours", "rates": [10.0, 22.0, 80.0]}
      >>> [(entry["ratio"], entry["agrees"]) for entry in with_ratios([idiom, ours])]
      [(1.0, True), (11.0, True)]
    """
    (idiom,) = (entry for entry in entries if entry["name"] == IDIOM)
    return [_compared(entry, idiom) if served(entry) else dict(entry) for entry in entries]


def _compared(entry: Mapping[str, Any], idiom: Mapping[str, Any]) -> dict[str, Any]:
    if not served(idiom):
        return {**entry, "ratio": None, "agrees": None}
    rates = zip(entry["rates"], idiom["rates"], strict=True)
    ours, theirs = entry["outcome"]["loss"], idiom["outcome"]["loss"]
    agrees = None not in (ours, theirs) and abs(ours - theirs) <= LOSS_AGREES * theirs
    return {**entry, "ratio": median(rate / base for rate, base in rates), "agrees": agrees}


def disagreements(record: Mapping[str, Any]) -> list[str]:
    """Return "case: contender" of all whose mean loss is not the idiom's."""
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
