"""The record of a bench for people: one aligned table per case, and the number last."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bpjax.bench.compare import RATE, WHAT, Comparison, Row
from bpjax.bench.record import disagreements, failures, served
from bpjax.bench.sizes import ALL_CORES

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
X_IDIOM = (
    "x idiom: the median of rates by the idiom's in the same round; the rates beside it are\n"
    "medians of their own, so it is not their quotient."
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
        parts.append(f"OFF, not the loss of the idiom or of the others: {', '.join(off)}")
    if failed:
        parts.append("\n  ".join(["FAILED", *failed]))
    parts.append("\n".join(number_lines(record["number"])))
    return "\n\n".join(parts)


def number_lines(number: Mapping[str, Any]) -> list[str]:
    """Return the number that can be quoted, and what it is; or why there is none."""
    if number["refused"]:
        return [f"{number['name']}: no number: {number['refused']}."]
    return [
        f"{number['name']}: {in_millions(number)} million {number['unit']}",
        f"  and {spread(number['x_idiom'])} x the idiom, likewise from ratios within rounds.",
        *textwrap.wrap(
            f"{number['definition'][0].upper()}{number['definition'][1:]}: "
            f"{', '.join(number['cases'])}; {number['rounds']} rounds. In brackets: "
            f"{number['level']:.0%} of what comes out when these are drawn again.",
            width=98,
            initial_indent="  ",
            subsequent_indent="  ",
        ),
    ]


def in_millions(number: Mapping[str, Any]) -> str:
    """Return a rate in millions with its interval."""
    return spread({end: number[end] / 1e6 for end in ("value", "low", "high")})


def spread(number: Mapping[str, Any]) -> str:
    """Return a number with its interval.

    Example:
      >>> spread({"value": 6.5712, "low": 6.1, "high": 7.123})
      '6.57 (6.10 to 7.12)'
    """
    value, low, high = (significant(number[end]) for end in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


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
            "; ".join(f"{what} {words}" for what, words in circumstances(record)),
            *lines,
            *_products(record["suite"]),
            f"Rates in million seed-epochs per second: median of {record['budget']['rounds']} "
            "alternating rounds, compile time apart.",
            X_IDIOM,
        ]
    )


def circumstances(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return when and on what a record was made, as pairs of a word and a value."""
    machine, memory = record["machine"], record["machine"]["memory_bytes"]
    begin, end = record["load"]["start"], record["load"]["end"]
    cpu = record["workers"][ALL_CORES]["cpu"]
    told = {
        "date": record["date"],
        "CPU": cpu,
        "memory": None if memory is None else f"{memory / 2**30:.1f} GiB",
        "load": f"{begin[0]:.2f} before, {end[0]:.2f} after" if begin and end else None,
        "commit": machine["commit"],
    }
    return [(what, words or "not recorded") for what, words in told.items()]


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
    if case["idiom"] and case["idiom"].startswith("none"):
        title += f"\n  There is no idiom for it: {case['idiom'].removeprefix('none: ')}."
    rows = [HEAD, *(contender_cells(entry, case["chosen"]) for entry in measured)]
    others = [
        f"  {entry['name']:<15} not served: {entry['refused']}"
        if entry["refused"]
        else f"  {entry['name']:<15} failed"
        for entry in case["contenders"]
        if not served(entry)
    ]
    return "\n".join([title, *_aligned(rows), *others])


def contender_cells(entry: Mapping[str, Any], chosen: str) -> tuple[str, ...]:
    """Return the cells of a contender, below `HEAD`."""
    low, high = (significant(entry[name] / 1e6) for name in ("min", "max"))
    loss, solved = entry["outcome"]["loss"], entry["outcome"]["solved"]
    return (
        entry["name"],
        significant(entry["median"] / 1e6),
        "" if entry["ratio"] is None else significant(entry["ratio"]),
        f"{low} to {high}",
        f"{entry['compile_seconds']:.1f} s",
        f"{entry['runs']:,} x {entry['epochs']:,}",
        "not finite" if loss is None else f"{loss:.5g}",
        "unknown" if solved is None else f"{solved:.1%}",
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


# ---- two records ---------------------------------------------------------------------------------

UNPAIRED = (
    "Rates are medians in million seed-epochs per second. Rounds of two records are no pairs, so "
    "each record's are drawn again by themselves; the interval is {level:.0%} of the quotients "
    "that come out. It tells how far rounds scatter within the records, not how a machine changes "
    "from day to day; x idiom, paired within each record, feels that least."
)


def render_comparison(comparison: Comparison) -> str:
    """Return the text of two records side by side."""
    first, second = comparison.names
    head = ("case", "", "A", "B", "B / A", f"{comparison.level:.0%} interval", "")
    rows = [head, *(comparison_cells(row) for row in comparison.rows)]
    parts = ["\n".join([f"A: {first}", f"B: {second}"]), "\n".join(_two_words(rows))]
    parts.append(textwrap.fill(UNPAIRED.format(level=comparison.level), width=98))
    if comparison.left_out:
        parts.append("\n".join(one[0].upper() + one[1:] for one in comparison.left_out))
    if comparison.differing:
        lines = (f"  {what}: {one} / {other}" for what, one, other in comparison.differing)
        parts.append("\n".join(["What differs, A / B:", *lines]))
    return "\n\n".join(parts)


def comparison_cells(row: Row) -> tuple[str, ...]:
    """Return case, what is compared, both values, their quotient and its interval, as text."""
    scale = 1e6 if WHAT[row.what] == RATE else 1.0
    value, low, high = (f"{end:.3f}" for end in row.quotient)
    values = (significant(value / scale) for value in (row.first, row.second))
    return row.case, row.what, *values, value, f"{low} to {high}", ""


def _two_words(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield rows whose first two columns are words; what stands above is not said again."""
    width = max(len(row[0]) for row in rows)
    words = max(len(row[1]) for row in rows)
    above = None
    joined = []
    for case, what, *others in rows:
        shown = "" if case == above else case
        joined.append((f"{shown:<{width}}  {what:<{words}}", *others))
        above = case
    yield from _aligned(joined)
