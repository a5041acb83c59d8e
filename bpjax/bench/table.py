"""The record of a bench for people: one aligned table per case."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bpjax.bench.record import disagreements, failures, served

HEAD = (
    "contender",
    "M/s",
    "x idiom",
    "low to high",
    "compile",
    "runs x epochs",
    "loss",
    "solved",
    "",
)


def render(record: Mapping[str, Any]) -> str:
    """Return the whole text."""
    parts = [_header(record), *map(_case, record["cases"])]
    if record["useful"] is not None:
        parts.append(_useful(record["useful"]))
    if record["gpu"] is not None:
        parts += [_lanes(record["gpu"]), _sweeps(record["gpu"])]
    off, failed = disagreements(record), failures(record)
    if off:
        parts.append(f"OFF, not the loss of the idiom: {', '.join(off)}")
    if failed:
        parts.append("\n  ".join(["FAILED", *failed]))
    return "\n\n".join(parts)


def _header(record: Mapping[str, Any]) -> str:
    machine, lines = record["machine"], []
    for role, worker in record["workers"].items():
        flags = worker["xla_flags"] or "none"
        lines.append(
            f"  {role:<10} {worker['num_devices']} x {worker['device_kind']}, XLA flags: {flags}"
        )
    versions = next(iter(record["workers"].values()))["versions"]
    names = " ".join(f"{name} {version}" for name, version in versions.items())
    return "\n".join(
        [
            f"{machine['cpu_model']}, {machine['num_cores']} cores; Python {machine['python']}, "
            f"bpjax {machine['bpjax']}, {names}; {record['dtype']}",
            *lines,
            *_products(record["suite"]),
            f"Rates in million seed-epochs per second: median of {record['budget']['rounds']} "
            "alternating rounds, compile time apart.",
        ]
    )


def _products(suite: str) -> list[str]:
    """Say in which precision products of float32 matrices are, where that is not the same."""
    if suite != "gpu":
        return []
    return [
        "Matrix products: ours in float32 unless JAX was asked for less; those of the idiom and "
        "the Python loop as JAX makes them, on recent cards in TF32."
    ]


def _case(case: Mapping[str, Any]) -> str:
    if case.get("failed"):
        return f"{case['name']}: failed"
    title = f"{case['title']}: {case['num_cases']} cases, {case['num_parameters']} parameters"
    measured = [entry for entry in case["contenders"] if served(entry)]
    if measured:
        outcome = measured[0]["outcome"]
        title += (
            f"; loss and solved share of {outcome['runs']} runs after {outcome['epochs']:,} epochs"
        )
    rows = [HEAD, *(_row(entry, case["chosen"]) for entry in measured)]
    others = [
        f"  {entry['name']:<15} not served: {entry['refused']}"
        if entry["refused"]
        else f"  {entry['name']:<15} failed"
        for entry in case["contenders"]
        if not served(entry)
    ]
    return "\n".join([title, *_aligned(rows), *others])


def _row(entry: Mapping[str, Any], chosen: str) -> tuple[str, ...]:
    low, high = (significant(entry[name] / 1e6) for name in ("min", "max"))
    loss = entry["outcome"]["loss"]
    return (
        entry["name"],
        significant(entry["median"] / 1e6),
        "" if entry["ratio"] is None else significant(entry["ratio"]),
        f"{low} to {high}",
        f"{entry['compile_seconds']:.1f} s",
        f"{entry['runs']:,} x {entry['epochs']:,}",
        "not finite" if loss is None else f"{loss:.5g}",
        f"{entry['outcome']['solved']:.1%}",
        "OFF" if entry["agrees"] is False else "<- auto" if entry["name"] == chosen else "",
    )


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the rows with the first column to the left and the numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others, mark in rows:
        numbers = (text.rjust(width) for text, width in zip(others, widths[1:-1], strict=True))
        yield "  " + "  ".join([first.ljust(widths[0]), *numbers, mark]).rstrip()


def _useful(useful: Mapping[str, Any]) -> str:
    title = (
        f"{useful['case']} to its outcomes: {useful['seeds']:,} runs, cap "
        f"{useful['max_epochs']:,} epochs; useful rate: epochs that runs needed, per second"
    )
    if useful["refused"]:
        return f"{title}\n  not served: {useful['refused']}"
    if useful.get("failed"):
        return f"{title}\n  failed"
    rows: list[tuple[str, ...]] = [
        ("lanes", "M/s", "low to high", "seconds", "occupancy", "converged", "")
    ]
    rows += [
        (label, *_useful_cells(useful[name]), "")
        for name, label in (("refill", "refilled"), ("no_refill", "run to the cap"))
    ]
    gain = f"  gain from refilling: {useful['gain']:.2f} x in time"
    if useful["gain_in_lane_epochs"] is not None:
        gain += f", {useful['gain_in_lane_epochs']:.2f} x in lane-epochs"
    return "\n".join([title, *_aligned(rows), gain])


def _useful_cells(session: Mapping[str, Any]) -> tuple[str, ...]:
    low, high = (significant(session[name] / 1e6) for name in ("min", "max"))
    occupancy = session["occupancy"]
    return (
        significant(session["median"] / 1e6),
        f"{low} to {high}",
        f"{sorted(session['seconds'])[len(session['seconds']) // 2]:.2f}",
        "unknown" if occupancy is None else f"{occupancy:.1%}",
        f"{session['converged']:.2%}",
    )


def _lanes(gpu: Mapping[str, Any]) -> str:
    limit = gpu["bound"]
    bound = "not known for this card" if limit is None else f"{significant(limit / 1e6)} M/s"
    rows: list[tuple[str, ...]] = [("xor", "lanes", "M/s", "of the bound", "")]
    for row in gpu["lanes"]:
        share = row.get("share_of_bound")
        cells = ("failed" if row["failed"] else "not served", "")
        if served(row):
            cells = (significant(row["median"] / 1e6), "" if share is None else f"{share:.1%}")
        rows.append((row["name"], f"{row['lanes']:,}", *cells, ""))
    refused = {f"  {row['name']}: {row['refused']}": None for row in gpu["lanes"] if row["refused"]}
    title = f"Lanes at once; the bound of the kernel: {bound}"
    return "\n".join([title, *_aligned(rows), *refused])


def _sweeps(gpu: Mapping[str, Any]) -> str:
    head = ("implementation", "runs", "seconds", "M runs/s", "M/s", "converged", "")
    rows: list[tuple[str, ...]] = [head]
    for row in gpu["sweeps"]:
        cells: tuple[str, ...] = ("failed", "", "", "")
        if not row.get("failed"):
            solved = row["solved"]
            ends = f"{solved['low']:.2%} to {solved['high']:.2%}"
            rates = (row[name] / 1e6 for name in ("runs_per_second", "seed_epochs_per_second"))
            cells = (f"{row['seconds']:.2f}", *map(significant, rates), ends)
        rows.append((row["implementation"], f"{row['seeds']:,}", *cells, ""))
    title = "xor to its outcomes, only counts kept; converged: 95 % interval"
    return "\n".join([title, *_aligned(rows), *_billion(gpu["billion"])])


def _billion(billion: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield the line that says what a billion runs take, measured or projected."""
    if billion is None:
        return
    seconds = f"{significant(billion['seconds'])} s"
    if billion["measured"]:
        yield f"  10^9 XOR runs to their outcome in {seconds}"
    else:
        yield (
            f"  10^9 XOR runs to their outcome in about {seconds}: "
            f"projected from {billion['seeds_measured']:,} runs"
        )


def significant(number: float) -> str:
    """Return a number with three significant digits and no exponent.

    Example:
      >>> [significant(x) for x in (0.0041234, 1.5, 75.06, 161.2, 12345.6)]
      ['0.00412', '1.50', '75.1', '161', '12,346']
    """
    if number >= 1000:
        return f"{number:,.0f}"
    text = f"{number:#.3g}".rstrip(".")
    return text if "e" not in text else f"{number:.9f}".rstrip("0")
