"""What the bench measures on a GPU only: XOR over ever more lanes, and a sweep of a billion runs.

No GPU has run this yet. What is computed here, and not measured, is the bound: `INSTRUCTIONS` are
what one epoch of XOR takes in the machine code of `bpjax.layouts.fused`, compiled for sm_90a by
jax 0.10.2 and CUDA 13.0 and counted by `experiments.gpu_code`, to whose record a test holds them;
each multiprocessor starts 128 of them per clock.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bpjax.bench.client import WorkerError
from bpjax.bench.sizes import ALL_CORES, IDIOM, Budget
from bpjax.errors import SettingError

INSTRUCTIONS = 346
"""Of which 24 go to the special-function units, 16 per clock: they are not what limits."""
PER_CLOCK = 128
CLOCK_HZ = {"H100": 1.98e9, "H200": 1.98e9}
"""The highest clock of a card, by a part of its name; JAX knows its multiprocessors, not this."""

CONTENDERS = (IDIOM, "python-loop", "unrolled", "fused")
LANES = (10**3, 10**4, 10**5, 10**6, 10**7)
EPOCHS, MOST_LANE_EPOCHS = 1000, 10**9
"""Of the scan, which keeps the loss of every epoch and lane; fewer epochs where lanes are many. The
others make as many as fit the budget's seconds."""

SEEDS = (10**6, 10**7, 10**8, 10**9)
MOST_SECONDS = 90.0
"""The next larger sweep is left out if it would take longer."""
BILLION = 10**9

OUT_OF_MEMORY = ("RESOURCE_EXHAUSTED", "out of memory")
LEFT_OUT = "left out: it failed with fewer lanes"

Ask = Callable[..., Any]


def bound(device_kind: str, num_multiprocessors: int | None) -> float | None:
    """Return the seed-epochs of XOR per second that a card cannot exceed; None if unknown.

    Example:
      >>> round(bound("NVIDIA H100 80GB HBM3", 132) / 1e9, 1), bound("cpu", None)
      (96.7, None)
    """
    clock = next((hz for name, hz in CLOCK_HZ.items() if name in device_kind), None)
    if clock is None or num_multiprocessors is None:
        return None
    return num_multiprocessors * PER_CLOCK * clock / INSTRUCTIONS


def measure_lanes(
    ask: Ask,
    roles: Mapping[str, str],
    budget: Budget,
    limit: float | None,
    tell: Callable[[str], None],
    lanes: tuple[int, ...] = LANES,
) -> list[dict[str, Any]]:
    """Return the rate of every contender at every number of lanes.

    After a fault more lanes are tried once, and not at all where memory was the fault.

    Args:
      ask: `ask(role, do, **words)` asks a worker.
      roles: the worker of each contender.
      budget: seconds of a turn and rounds.
      limit: seed-epochs per second that the card cannot exceed, if known.
      tell: called with a line on where the bench stands.
      lanes: how many runs at once.
    """
    rows: list[dict[str, Any]] = []
    for name in CONTENDERS:
        failed: list[str] = []
        for many in lanes:
            made: dict[str, Any] = {"refused": LEFT_OUT}
            if not _given_up(failed):
                tell(f"xor: {name}, {many:,} lanes")
                made = _with_lanes(ask, roles.get(name, ALL_CORES), name, many, budget)
            if limit is not None and "median" in made:
                made["share_of_bound"] = made["median"] / limit
            failed += filter(None, [made.get("failed")])
            rows.append({"name": name, "lanes": many, "refused": None, "failed": None, **made})
    return rows


def _given_up(failed: Sequence[str]) -> bool:
    return len(failed) > 1 or any(words in fault for fault in failed for words in OUT_OF_MEMORY)


def _with_lanes(ask: Ask, role: str, name: str, lanes: int, budget: Budget) -> dict[str, Any]:
    epochs = min(EPOCHS, MOST_LANE_EPOCHS // lanes)
    words = {"contender": name, "lanes": lanes, "epochs": epochs}
    try:
        return ask(role, "lanes", seconds=budget.seconds, rounds=budget.rounds, **words)
    except SettingError as fault:
        return {"refused": f"{fault.setting} {fault.rule}"}
    except WorkerError as fault:
        return {"failed": str(fault)}


def measure_sweeps(
    ask: Ask,
    implementations: Sequence[str],
    tell: Callable[[str], None],
    seeds: tuple[int, ...] = SEEDS,
) -> list[dict[str, Any]]:
    """Return the time of ever larger XOR sweeps to their outcomes, streamed into a summary.

    Args:
      ask: `ask(role, do, **words)` asks a worker.
      implementations: the first one does it; once it has failed, the next.
      tell: called with a line on where the bench stands.
      seeds: how many runs.
    """
    left, rows = list(implementations), list[dict[str, Any]]()
    for many in seeds:
        if (time := predicted(rows, many)) is not None and time > MOST_SECONDS:
            break
        while left:
            tell(f"xor to its outcomes: {many:,} runs")
            try:
                rows.append(ask(ALL_CORES, "outcomes", seeds=many, implementation=left[0]))
                break
            except (SettingError, WorkerError) as fault:
                row = {"seeds": many, "implementation": left.pop(0)}
                rows.append({**row, "failed": str(fault)})
    return rows


def predicted(rows: Sequence[Mapping[str, Any]], seeds: int) -> float | None:
    """Return the seconds that so many runs should take, by the largest sweep that was made."""
    made = [row for row in rows if not row.get("failed")]
    return made[-1]["seconds"] * seeds / made[-1]["seeds"] if made else None


def billion(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return how long a billion runs took, or would take by the largest sweep that was made.

    Example:
      >>> billion([{"seeds": 10**8, "seconds": 12.0, "implementation": "fused"}])
      {'seconds': 120.0, 'measured': False, 'seeds_measured': 100000000, 'implementation': 'fused'}
    """
    made = [row for row in rows if not row.get("failed")]
    if not made:
        return None
    last = made[-1]
    return {
        "seconds": predicted(rows, BILLION),
        "measured": last["seeds"] == BILLION,
        "seeds_measured": last["seeds"],
        "implementation": last["implementation"],
    }
