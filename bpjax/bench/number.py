"""The number of a bench that can be quoted, and intervals from rounds.

It is the geometric mean, over the cases of a suite, of the median rate of `bpjax sweep`: so that
twice as fast on one case counts the same whichever case it is, and the quotient of two machines'
numbers is the geometric mean of their quotients, case by case. Its name has the suite and the
version of the suite, "bpjax cpu-1": numbers of other names are of other work.

Intervals are 95 % of what comes out when the rounds that were measured are drawn again, with
replacement: each case by itself, because the rounds of two cases are made at different times. They
tell how far rounds scatter in one sitting, not how a machine changes from day to day. Of 1,000
simulated sittings with independent rounds they held the true value of a number in 98 % with nine
rounds and in 95 % with three; of the quotient of two medians in 97 % and in 90 %.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from bpjax.bench.record import chosen_entry, entry_of, served
from bpjax.bench.sizes import CASES, IDIOM

LEVEL = 0.95
DRAWS = 4000
SEED = 1986

UNIT = "seed-epochs per second"
DEFINITION = (
    "geometric mean, over the cases of the suite, of the median rate over alternating rounds at "
    "which `bpjax sweep` trains for a given number of epochs, compile time apart"
)


class Interval(NamedTuple):
    """A value computed from medians of rounds, and its interval."""

    value: float
    low: float
    high: float


def interval(*rounds: Sequence[float], of: Callable[..., Any]) -> Interval:
    """Return a function of the medians of rounds, with the interval that drawing them again gives.

    Args:
      *rounds: what was measured in every round, of each thing.
      of: a function of the medians, one array for each thing.

    Example:
      >>> twice = interval([4.0, 5.0, 6.0], [2.0, 2.5, 3.0], of=lambda a, b: a / b)
      >>> twice.value, round(twice.low, 2), round(twice.high, 2)
      (2.0, 1.33, 3.0)
    """
    random = np.random.default_rng(SEED)
    drawn = [
        np.median(random.choice(np.asarray(made), (DRAWS, len(made))), axis=1) for made in rounds
    ]
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(of(*drawn), [tail, 1 - tail])
    return Interval(float(of(*map(np.median, rounds))), float(low), float(high))


def geometric_mean(*values: Any) -> Any:
    """Return the geometric mean of numbers, or of arrays entry by entry.

    Example:
      >>> round(float(geometric_mean(2.0, 8.0)), 6)
      4.0
    """
    return np.exp(np.mean(np.log(values), axis=0))


def name_of_number(record: Mapping[str, Any]) -> str:
    """Return what the number of a record is called."""
    return f"bpjax {record['suite']}-{record['suite_version']}"


def number_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the number of a record with its interval, and `x_idiom`, the same of paired ratios.

    Where there is none, `refused` says why and the values are null.
    """
    refused = why_no_number(record)
    told = {
        "name": name_of_number(record),
        "refused": refused,
        "unit": UNIT,
        "definition": DEFINITION,
        "cases": list(CASES),
        "rounds": record["budget"]["rounds"],
        "level": LEVEL,
    }
    nothing = {"value": None, "low": None, "high": None}
    if refused:
        return {**told, **nothing, "x_idiom": nothing}
    cases = [case for case in record["cases"] if case["name"] in CASES]
    ours, ratios = map(rates, cases), map(paired, cases)
    return {
        **told,
        **interval(*ours, of=geometric_mean)._asdict(),
        "x_idiom": interval(*ratios, of=geometric_mean)._asdict(),
    }


def rates(case: Mapping[str, Any], name: str | None = None) -> list[float]:
    """Return the rates of a contender, round by round; none if it was not measured.

    Args:
      case: of a record.
      name: the contender; None for the implementation that a sweep takes.
    """
    entry = entry_of(case, name) if name else chosen_entry(case)
    return list(entry["rates"]) if entry and served(entry) else []


def paired(case: Mapping[str, Any]) -> list[float]:
    """Return the rates of a sweep by those of the idiom in the same rounds; none if one is not."""
    ours, theirs = rates(case), rates(case, IDIOM)
    return [one / other for one, other in zip(ours, theirs, strict=True)] if ours and theirs else []


def why_no_number(record: Mapping[str, Any]) -> str | None:
    """Return why a record has no number that can be compared with others, in words; else None."""
    cases = {case["name"]: case for case in record["cases"]}
    missing = [name for name in CASES if name not in cases]
    if missing:
        left = "each of them" if len(missing) == len(CASES) else ", ".join(missing)
        return f"it is of {', '.join(CASES)} together, and {left} was left out"
    if record["dtype"] != "float32":
        return f"it is of float32, and this is {record['dtype']}"
    if record["lanes"] is not None:
        return "it is of the lanes that a sweep takes, and others were asked for"
    for name in CASES:
        if not paired(cases[name]):
            return f"not all of {name} was measured"
        if (chosen_entry(cases[name]) or {})["agrees"] is not True:
            return f"what was computed for {name} is not what the idiom computes"
    return None
