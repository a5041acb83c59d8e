"""What the bench measures on a GPU only: XOR over ever more lanes, and a sweep of a billion runs.

No GPU has run this yet. What is computed here, and not measured, is the bound: `INSTRUCTIONS` are
what one epoch of XOR takes in the machine code of `bpjax.sweeps.fused`, compiled for sm_90a by
jax 0.10.2 and CUDA 13.0 and counted by `experiments.gpu_code`, to whose record a test holds them;
each multiprocessor starts 128 of them per clock.
"""

from collections.abc import Callable, Mapping
from typing import Any

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

    Args:
      ask: `ask(role, do, **words)` asks a worker.
      roles: the worker of each contender.
      budget: seconds of a turn and rounds.
      limit: seed-epochs per second that the card cannot exceed, if known.
      tell: called with a line on where the bench stands.
      lanes: how many runs at once.
    """
    rows = []
    for name in CONTENDERS:
        for many in lanes:
            tell(f"xor: {name}, {many:,} lanes")
            row = {"name": name, "lanes": many, "refused": None}
            epochs = min(EPOCHS, MOST_LANE_EPOCHS // many)
            words = {"contender": name, "lanes": many, "epochs": epochs, "seconds": budget.seconds}
            try:
                made = ask(roles.get(name, ALL_CORES), "lanes", rounds=budget.rounds, **words)
            except SettingError as fault:
                rows.append({**row, "refused": f"{fault.setting} {fault.rule}"})
                continue
            share = None if limit is None else made["median"] / limit
            rows.append({**row, **made, "share_of_bound": share})
    return rows


def measure_sweeps(
    ask: Ask, tell: Callable[[str], None], seeds: tuple[int, ...] = SEEDS
) -> list[dict[str, Any]]:
    """Return the time of ever larger XOR sweeps to their outcomes, streamed into a summary."""
    rows: list[dict[str, Any]] = []
    for many in seeds:
        if rows and many / rows[-1]["seeds"] * rows[-1]["seconds"] > MOST_SECONDS:
            break
        tell(f"xor to its outcomes: {many:,} runs")
        rows.append(ask(ALL_CORES, "outcomes", seeds=many))
    return rows
