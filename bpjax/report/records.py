"""What a report says of a record of `bpjax bench`."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from bpjax.bench.figure import lanes_figure, rates_figure
from bpjax.bench.reading import read_record
from bpjax.bench.record import chosen_entry, disagreements, failures, served
from bpjax.bench.sizes import ALL_CORES, CASES, FULL, IDIOM_IN_WORDS, LARGER_CASES, QUICK
from bpjax.bench.table import HEAD, X_IDIOM, circumstances, contender_cells, significant, spread
from bpjax.errors import ResultsError
from bpjax.report.figures import Figure, as_figure
from bpjax.report.parts import Number, Part
from bpjax.report.tables import Table
from bpjax.results.files import explained

Record = Mapping[str, Any]
Paths = Sequence[str | PathLike[str]]

READ_LIKE_THIS = (
    "The contenders of a bench take turns, so that a machine that slows down slows down all, and "
    "they start from the same weights. Rates are in million seed-epochs, runs times epochs, per "
    "second: medians of the rounds. The number is the geometric mean of the cases; its interval is "
    "95 % of what comes out when the rounds are drawn again, and tells nothing of other days."
)


def split(paths: Paths) -> tuple[list[Path], list[Path]]:
    """Return which of the paths are records, files of JSON, and all others: folders.

    Raises:
      ResultsError: if a record is named twice.
    """
    records: list[Path] = []
    others: list[Path] = []
    for path in map(Path, paths):
        with explained("use", path):
            is_record = path.suffix == ".json" and path.is_file()
            twice = is_record and any(path.samefile(other) for other in records)
        if twice:
            raise ResultsError(f"{str(path)!r} is named twice.")
        (records if is_record else others).append(path)
    return records, others


def record_part(path: Path) -> Part:
    """Return what is said of a record.

    Raises:
      ResultsError: if it is none.
    """
    record = read_record(path)
    machine = record["machine"]
    return Part(
        name=path.name,
        task="bench",
        title=f"Speed of {machine['cpu_model']}, {machine['num_cores']} cores",
        lead=_lead(record),
        numbers=list(_numbers(record)),
        notes=list(_notes(record)),
        tables=[_table(case) for case in record["cases"] if not case["failed"]],
        figures=list(_figures(record)),
        facts=_facts(record),
        commands=[("The same measurement:", command(record, path.name))],
        made=_made(record, path),
    )


def _lead(record: Record) -> str:
    number = record["number"]
    if number["refused"]:
        names = ", ".join(case["name"] for case in record["cases"])
        return f"Measured: {names}. There is no {number['name']}: {number['refused']}."
    millions = spread({end: number[end] / 1e6 for end in ("value", "low", "high")})
    return (
        f"{number['name']}: {millions} million {number['unit']}, and {spread(number['x_idiom'])} "
        f"times the rate of the JAX idiom, in {number['rounds']} rounds."
    )


def _numbers(record: Record) -> Iterator[Number]:
    number = record["number"]
    if not number["refused"]:
        value, low, high = (significant(number[e] / 1e6) for e in ("value", "low", "high"))
        yield Number(number["name"], value, f"{low} to {high}; million seed-epochs/s")
        value, low, high = (significant(number["x_idiom"][e]) for e in ("value", "low", "high"))
        yield Number("times the idiom", value, f"{low} to {high}; paired by round")
        return
    for case in record["cases"]:
        entry = None if case["failed"] else chosen_entry(case)
        if entry and served(entry):
            ratio = entry["ratio"]
            beside = "no idiom" if ratio is None else f"{significant(ratio)} x the idiom"
            what = f"{case['name']}, million seed-epochs/s"
            yield Number(what, significant(entry["median"] / 1e6), beside)


def _notes(record: Record) -> Iterator[str]:
    if off := disagreements(record):
        yield f"Not the loss of the idiom, or of the others: {', '.join(off)}."
    if failed := failures({"useful": None, **record, "gpu": None}):
        yield f"Failed: {'; '.join(failed)}."
    for case in record["cases"]:
        if (case["idiom"] or "").startswith("none: "):
            yield f"{case['name']} has no idiom: {case['idiom'].removeprefix('none: ')}."
    if record["date"] is None:
        yield (
            "This record was made by an earlier version, which did not write down when, and under "
            "which load."
        )


def _table(case: Record) -> Table:
    measured = [entry for entry in case["contenders"] if served(entry)]
    cells = (contender_cells(entry, case["chosen"]) for entry in measured)
    rows = [(*row, mark.removeprefix("<- ")) for *row, mark in cells]
    others = [
        f"{entry['name']}: {entry['refused'] or entry['failed']}"
        for entry in case["contenders"]
        if not served(entry)
    ]
    caption = (
        f"{case['title']}: {case['num_cases']} cases, {case['num_parameters']} parameters; "
        "million seed-epochs per second"
    )
    more = f"not measured: {'; '.join(others)}" if others else ""
    return Table(caption, [*HEAD[:-1], "remark"], rows, more)


def _figures(record: Record) -> Iterator[Figure]:
    medians = [
        f"{case['name']}: {significant(entry['median'] / 1e6)}"
        for case in record["cases"]
        if (entry := None if case["failed"] else chosen_entry(case)) and served(entry)
    ]
    if medians:
        caption = "The rate of each contender, case by case: the median and the range of rounds."
        words = f"{caption} bpjax sweep, in million seed-epochs per second: {', '.join(medians)}."
        yield as_figure(partial(rates_figure, record), caption, words)
    if record["gpu"]:
        caption = "The rate over the number of runs that are trained at once."
        yield as_figure(partial(lanes_figure, record), caption, caption)


def _facts(record: Record) -> list[tuple[str, str]]:
    machine, workers = record["machine"], record["workers"]
    worker = workers[ALL_CORES]
    versions = ", ".join(f"{name} {version}" for name, version in worker["versions"].items())
    return [
        (record["number"]["name"], f"{record['number']['definition']}; {record['number']['unit']}"),
        ("rounds", str(record["budget"]["rounds"])),
        ("precision", record["dtype"]),
        ("lanes", "as a sweep takes them" if record["lanes"] is None else f"{record['lanes']:,}"),
        ("idiom", IDIOM_IN_WORDS),
        ("times the idiom", X_IDIOM.partition(": ")[2].replace("\n", " ")),
        ("processor", f"{machine['cpu_model']}, {machine['num_cores']} cores"),
        *circumstances(record),
        ("system", machine["system"]),
        ("versions", f"bpjax {machine['bpjax']}, Python {machine['python']}, {versions}"),
        *((f"XLA flags, {role}", each["xla_flags"] or "none") for role, each in workers.items()),
    ]


def command(record: Record, file: str) -> str:
    """Return the command that measures the same; a file of the user's is named without its folder.

    Example:
      >>> budget = QUICK._replace(rounds=5)._asdict()
      >>> record = {"cases": [{"name": "xor"}], "budget": budget, "dtype": "float64"}
      >>> command(record | {"lanes": None, "suite": "cpu"}, "fast.json")
      'bpjax bench --case xor --quick --rounds 5 --precision float64 --json fast.json'
    """
    names = [case["name"] for case in record["cases"]]
    ours = [name for name in names if name in {**CASES, **LARGER_CASES}]
    words = [name for name in names if name not in ours]
    words += ["--case", *ours] if ours and names != list(CASES) else []
    gpu, budget = record["suite"] == "gpu", record["budget"]
    quick = budget.get("seconds") == QUICK.seconds
    words += ["--quick"] if quick and not gpu else []
    usual = (QUICK if quick else FULL).rounds
    words += ["--rounds", str(budget["rounds"])] if budget["rounds"] != usual else []
    words += ["--lanes", str(record["lanes"])] if record["lanes"] is not None else []
    words += ["--precision", record["dtype"]] if record["dtype"] != "float32" else []
    words += ["--suite", "gpu"] if gpu else []
    return shlex.join(["bpjax", "bench", *words, "--json", file])


def _made(record: Record, path: Path) -> Table:
    worker = record["workers"][ALL_CORES]
    device = f"{worker['num_devices']} × {worker['device_kind']}"
    row = [str(path), device, record["date"] or "not recorded"]
    return Table("Where and when", ["record", "device", "begun"], [row])
