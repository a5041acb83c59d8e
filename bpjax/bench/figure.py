"""The figures of a bench: rates case by case, on a GPU over lanes, and two records side by side."""

from collections.abc import Iterator, Mapping
from typing import Any

from matplotlib.axes import Axes

from bpjax.bench.compare import Comparison
from bpjax.bench.record import chosen_entry, entry_of, served
from bpjax.bench.sizes import ALL_CORES, BASELINES, IDIOM, LARGEST_BLOCK, USEFUL_CASE
from bpjax.bench.table import significant
from bpjax.plots import lanes_curve, ranges
from bpjax.plots.style import axes_so_wide
from bpjax.text import shortened

SWEEP = "bpjax sweep"
LONGEST = 60
"""Letters of a processor's or file's name."""


def rates_figure(record: Mapping[str, Any], width: float | None = None) -> Axes:
    """Draw the rates of the baselines and of a sweep, case by case; so wide, in inches."""
    rows = [row for case in record["cases"] for row in _rates(case)]
    where = f"{record['machine']['cpu_model']}, {record['machine']['num_cores']} cores"
    if record["suite"] == "gpu":
        where = record["workers"][ALL_CORES]["device_kind"]
    title = (
        f"How fast nets train on {shortened(where, LONGEST)}\n"
        f"{_made_with(record)}; x: {SWEEP} by the idiom"
    )
    xlabel = "million seed-epochs per second"
    look: dict[str, Any] = {"title": title, "xlabel": xlabel} | ({"width": width} if width else {})
    return ranges(rows, heading="median and range of rounds", **look)


def _rates(case: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    others = {name: entry_of(case, name) for name in dict.fromkeys((IDIOM, *BASELINES))}
    entries = {SWEEP: chosen_entry(case), **others}
    for name, entry in entries.items():
        if entry is None or not served(entry):
            continue
        value, low, high = (entry[key] / 1e6 for key in ("median", "min", "max"))
        row = {"group": shortened(case["name"], 24), "name": name}
        row |= {"value": value, "low": low, "high": high}
        if name == SWEEP and entry["ratio"] is not None:
            row["words"] = f"{significant(entry['ratio'])} x"
        yield row


def compared_figure(comparison: Comparison) -> Axes:
    """Draw the quotients of two records, case by case and of their numbers."""
    rows = [
        {
            "group": shortened(row.case, 24),
            "name": row.what,
            **row.quotient._asdict(),
            "words": f"{row.quotient.value:.2f}",
        }
        for row in comparison.rows
    ]
    first, second = (shortened(name, LONGEST) for name in comparison.names)
    title = f"{second} by {first}\nabove 1: the second is faster"
    heading = f"{comparison.level:.0%} interval from rounds"
    return ranges(rows, title=title, xlabel="quotient", heading=heading, line=1.0)


def lanes_figure(record: Mapping[str, Any], width: float | None = None) -> Axes:
    """Draw the rates over lanes of a record of the suite gpu; so wide, in inches."""
    worker, gpu = record["workers"][ALL_CORES], record["gpu"]
    names = ", ".join(dict.fromkeys(row["name"] for row in gpu["lanes"]))
    title = (
        f"{USEFUL_CASE} on {worker['device_kind']}: {names}\n"
        f"{_made_with(record)}; ours trains at most {LARGEST_BLOCK:,} at once"
    )
    ax = axes_so_wide(width, 5.0)
    return lanes_curve(gpu["lanes"], title=title, bound=gpu["bound"], ax=ax)


def _made_with(record: Mapping[str, Any]) -> str:
    rounds, versions = record["budget"]["rounds"], record["workers"][ALL_CORES]["versions"]
    return (
        f"{rounds} rounds, {record['dtype']}, jax {versions['jax']}, "
        f"bpjax {record['machine']['bpjax']}"
    )
