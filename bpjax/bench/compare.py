"""Two records of a bench side by side: how many times as fast the second is as the first.

The rounds of two records were made at different times, so they are no pairs: each record's rounds
are drawn again by themselves. Within a record the idiom's rounds *are* paired with ours, so
"x idiom" is compared too: it hardly moves where the whole machine is slower one day than another,
or where another machine is slower at everything.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from bpjax.bench import number
from bpjax.bench.number import LEVEL, Interval, interval
from bpjax.bench.sizes import ALL_CORES, IDIOM
from bpjax.errors import ResultsError

Record = Mapping[str, Any]

SAME_CASE = (
    *("title", "network", "num_cases", "num_parameters"),
    *("learning_rate", "momentum", "init_range"),
)
"""What must be equal where cases of one name are one case."""

RATE, TIMES = "seed-epochs/s", "x"
WHAT = {"bpjax sweep": RATE, IDIOM: RATE, "x idiom": TIMES}
"""What is compared of a case, with its unit."""


class Row(NamedTuple):
    """One thing that both records have.

    Attributes:
      case: which case; or the name of the number.
      what: a key of `WHAT`.
      first: its median in the first record.
      second: and in the second.
      quotient: the second by the first.
    """

    case: str
    what: str
    first: float
    second: float
    quotient: Interval


class Comparison(NamedTuple):
    """Two records of one suite.

    Attributes:
      names: of the two.
      rows: what both have.
      left_out: what is not compared, in sentences.
      differing: what else differs: what it is, and its value in each.
      level: of the intervals.
    """

    names: tuple[str, str]
    rows: list[Row]
    left_out: list[str]
    differing: list[tuple[str, str, str]]
    level: float = LEVEL


def compare(names: Sequence[str], first: Record, second: Record) -> Comparison:
    """Return what a second record is by a first one.

    Args:
      names: of the two, for sentences.
      first: a record, from `bpjax.bench.reading.read_record`.
      second: another one.

    Raises:
      ResultsError: if they are of different suites, or versions of a suite, or have nothing in
        common.
    """
    one, other = (f"{record['suite']}-{record['suite_version']}" for record in (first, second))
    if one != other:
        raise ResultsError(
            f"{names[0]!r} is of suite {one} and {names[1]!r} of suite {other}; rates of different "
            "suites cannot be compared."
        )
    cases = [{case["name"]: case for case in record["cases"]} for record in (first, second)]
    both = [name for name in cases[0] if name in cases[1]]
    rows: list[Row] = []
    left_out = [*_only_one(names, cases)]
    for name in both:
        pair = cases[0][name], cases[1][name]
        if why := _why_not(*pair):
            left_out.append(f"{name} is not compared: {why}.")
        else:
            rows += _rows(name, *pair)
    if not rows:
        raise ResultsError(f"{names[0]!r} and {names[1]!r} have measured no case in common.")
    rows += _of_the_number(first, second)
    for name, record in zip(names, (first, second), strict=True):
        if refused := record["number"]["refused"]:
            left_out.append(f"{name} has no number: {refused}.")
    return Comparison((names[0], names[1]), rows, left_out, _differing(first, second))


def _only_one(names: Sequence[str], cases: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for name, own, others in zip(names, cases, reversed(cases), strict=True):
        if only := [case for case in own if case not in others]:
            yield f"only in {name}: {', '.join(only)}."


def _why_not(first: Record, second: Record) -> str | None:
    if first.get("failed") or second.get("failed"):
        return "it failed in one of them"
    differing = [key for key in SAME_CASE if first[key] != second[key]]
    if differing:
        return f"its {', '.join(differing).replace('_', ' ')} differ"
    if not (number.rates(first) and number.rates(second)):
        return "bpjax was not measured in both"
    return None


def _rounds(case: Record) -> dict[str, list[float]]:
    values = (number.rates(case), number.rates(case, IDIOM), number.paired(case))
    return dict(zip(WHAT, values, strict=True))


def _rows(name: str, first: Record, second: Record) -> Iterator[Row]:
    ones, others = _rounds(first), _rounds(second)
    for what, made in ones.items():
        if made and others[what]:
            quotient = interval(made, others[what], of=lambda one, other: other / one)
            one, other = _medians(made, others[what])
            yield Row(name, what, one, other, quotient)


def _medians(*rounds: Sequence[float]) -> list[float]:
    return [float(np.median(made)) for made in rounds]


def _of_the_number(first: Record, second: Record) -> Iterator[Row]:
    """Yield the quotients of two numbers, if both records have one."""
    if first["number"]["refused"] or second["number"]["refused"]:
        return
    names = first["number"]["cases"]
    made = [
        [_rounds(case) for case in record["cases"] if case["name"] in names]
        for record in (first, second)
    ]
    for what in ("bpjax sweep", "x idiom"):
        ones, others = ([rounds[what] for rounds in cases] for cases in made)
        middles = [float(number.geometric_mean(*_medians(*cases))) for cases in (ones, others)]

        def quotient(*medians: Any) -> Any:
            half = len(medians) // 2
            return number.geometric_mean(*medians[half:]) / number.geometric_mean(*medians[:half])

        yield Row(
            number.name_of_number(first),
            what,
            middles[0],
            middles[1],
            interval(*ones, *others, of=quotient),
        )


def _differing(first: Record, second: Record) -> list[tuple[str, str, str]]:
    pairs = zip(_facts(first).items(), _facts(second).values(), strict=True)
    return [(what, one, other) for (what, one), other in pairs if one != other]


def _facts(record: Record) -> dict[str, str]:
    """Return what may explain a difference, in words."""
    machine, worker = record["machine"], record["workers"][ALL_CORES]
    begin = record["load"]["start"]
    chosen = (f"{c['name']} {c['chosen']}" for c in record["cases"] if not c.get("failed"))
    told = {
        "date": record["date"],
        "CPU": machine["cpu_model"],
        "kind of CPU": worker["cpu"],
        "cores": machine["num_cores"],
        "memory": machine["memory_bytes"],
        "load before": begin[0] if begin else None,
        "system": machine["system"],
        "device": f"{worker['num_devices']} x {worker['device_kind']}",
        "XLA flags": worker["xla_flags"] or "none",
        "Python": machine["python"],
        **{f"{name}": worker["versions"][name] for name in ("jax", "jaxlib", "numpy", "optax")},
        "bpjax": machine["bpjax"],
        "commit": machine["commit"],
        "precision": record["dtype"],
        "lanes": record["lanes"] or "as a sweep takes them",
        "rounds": record["budget"]["rounds"],
        "implementations": ", ".join(chosen),
    }
    return {what: "not recorded" if fact is None else str(fact) for what, fact in told.items()}


def told(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as JSON has it."""
    rows = [row._asdict() | {"quotient": row.quotient._asdict()} for row in comparison.rows]
    return {**comparison._asdict(), "rows": rows}
