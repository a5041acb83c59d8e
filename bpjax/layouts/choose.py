"""Which layout trains a sweep: the one that was asked for, or the best of those that can."""

from collections.abc import Sequence
from typing import NamedTuple

from bpjax.epoch import Program
from bpjax.layouts import AUTO, LAYOUTS, layout_named


class Chosen(NamedTuple):
    """The name of a layout and, where another had been asked for, why it is not that one."""

    name: str
    fallback: str | None


def choose(asked: str, programs: Sequence[tuple[Program, int]], platform: str) -> Chosen:
    """Return the layout of a sweep.

    Args:
      asked: a name in `IMPLEMENTATIONS`.
      programs: the programs of the sweep, each with its number of cases.
      platform: of the devices: "cpu", "gpu" or "tpu".
    """
    refused = None if asked == AUTO else refusal(asked, programs)
    if asked != AUTO and refused is None:
        return Chosen(asked, None)
    taken = next(name for name in LAYOUTS if _is_best(name, programs, platform))
    return Chosen(taken, refused and f"{asked} gave way to {taken}: {refused}")


def refusal(name: str, programs: Sequence[tuple[Program, int]]) -> str | None:
    """Return why a layout cannot train these programs here, None if it can."""
    chosen = layout_named(name)
    faults = (chosen.why_not(*program) for program in programs)
    return chosen.why_not_here() or next(filter(None, faults), None)


def _is_best(name: str, programs: Sequence[tuple[Program, int]], platform: str) -> bool:
    is_best = layout_named(name).is_best
    return all(is_best(*program, platform) for program in programs) and not refusal(name, programs)
