"""The bench itself: everything compiled and judged first, then turn by turn in alternation.

Only one worker works at any time, and every round gives each contender one turn, so a machine that
slows down slows down all of them. What fails, fails alone: the reason is kept in its place.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

from bpjax.bench import gpu
from bpjax.bench.client import WorkerError, Workers
from bpjax.bench.machine import load
from bpjax.bench.number import number_of
from bpjax.bench.record import contender_entry, new_record, not_served, with_ratios
from bpjax.bench.sizes import (
    ALL_CORES,
    BASELINES,
    NOT_ON_A_GPU,
    USEFUL_CASE,
    USEFUL_MAX_EPOCHS,
    Budget,
    Size,
)
from bpjax.errors import SettingError

Tell = Callable[[str], None]

MOST_EPOCHS = 10**8
MOST_TRIES = 4
LARGEST_STEP = 30
"""How much a calibration may multiply the number of epochs at once."""

USEFUL_BLOCKS = 4
"""On a GPU, at least so many runs per lane: fewer would hardly show what refilling gains."""


def bench(
    workers: Workers,
    suite: str,
    sizes: Mapping[str, Size],
    budget: Budget,
    precision: str,
    lanes: int | None,
    tell: Tell,
) -> dict[str, Any]:
    """Measure all contenders on some cases.

    Args:
      workers: both workers, by role.
      suite: "cpu" or "gpu", for the record.
      sizes: the cases to measure, and how large: names of cases, or words for tasks.
      budget: rounds and seconds.
      precision: that which the workers were started for, for the record.
      lanes: those that were asked for and that `sizes` have, if any were.
      tell: called with a line on where the bench stands.

    Returns:
      The record, see `bpjax.bench.record`.

    Raises:
      WorkerError: if a worker cannot even say what it is.
      SettingError: if a task cannot be trained at all.
    """
    tell("starting JAX")
    began = time.perf_counter()
    hello = {role: worker.ask("hello") for role, worker in workers.items()}
    record = new_record(suite, budget, hello, precision, lanes)
    roles = contenders(hello[ALL_CORES], suite)
    for case, size in sizes.items():
        record["cases"].append(measure_case(workers, roles, case, size, budget, tell))
    if USEFUL_CASE in sizes:
        per_lane = USEFUL_BLOCKS if suite == "gpu" else 0
        record["useful"] = measure_useful(workers, budget, tell, per_lane, lanes)
    if suite == "gpu":
        record["gpu"] = measure_gpu(workers, hello[ALL_CORES], budget, tell, precision)
    record["load"]["end"] = load()
    return record | {"number": number_of(record), "seconds": time.perf_counter() - began}


def measure_gpu(
    workers: Workers, hello: Mapping[str, Any], budget: Budget, tell: Tell, precision: str
) -> dict[str, Any]:
    """Return what only a GPU is asked for: `bound`, `lanes`, `sweeps` and `billion`."""

    def ask(role: str, do: str, **words: Any) -> Any:
        return workers[role].ask(do, **words)

    limit = None  # the instructions that make the bound were counted for float32
    if precision == "float32":
        limit = gpu.bound(hello["device_kind"], hello["num_multiprocessors"])
    lanes = gpu.measure_lanes(ask, BASELINES, budget, limit, tell)
    sweeps = gpu.measure_sweeps(ask, hello["fastest_first"], tell)
    return {"bound": limit, "lanes": lanes, "sweeps": sweeps, "billion": gpu.billion(sweeps)}


def contenders(hello: Mapping[str, Any], suite: str) -> dict[str, str]:
    """Return the role of the worker of every contender, in the order of the table.

    Args:
      hello: what the worker with all cores says of itself.
      suite: "cpu" or "gpu".
    """
    left_out = NOT_ON_A_GPU if suite == "gpu" else ()
    roles = {name: role for name, role in BASELINES.items() if name not in left_out}
    return roles | dict.fromkeys(hello["implementations"], ALL_CORES)


def measure_case(
    workers: Workers,
    roles: Mapping[str, str],
    case: str,
    size: Size,
    budget: Budget,
    tell: Tell,
) -> dict[str, Any]:
    """Return the entry of one case; `roles` are those of all contenders."""
    name_of_case = Path(case).name  # of a file of the user's, without the folder
    try:
        words = {"case": case, "epochs": size.epochs, "block_size": size.block_size}
        description = workers[ALL_CORES].ask("describe", **words)
    except WorkerError as fault:
        return {"name": name_of_case, "failed": str(fault), "contenders": []}
    made, epochs = {}, {}
    turns = {name: _turn(workers[role], case, name, size) for name, role in roles.items()}
    entries = {}
    for name, role in roles.items():
        tell(f"{case}: preparing {name}")
        try:
            words = {"contender": name, "case": case}
            made[name] = workers[role].ask("prepare", size=list(size), **words)
            epochs[name] = _calibrated(turns[name], made[name], budget.seconds)
        except SettingError as fault:
            entries[name] = not_served(name, role, fault.rule, None)
        except WorkerError as fault:
            entries[name] = not_served(name, role, None, str(fault))
    timed, failed = _alternate(turns, epochs, budget.rounds, lambda text: tell(f"{case}: {text}"))
    for worker in workers.values():
        with suppress(WorkerError):  # then it has forgotten, too
            worker.ask("forget")
    for name, turns_made in timed.items():
        entries[name] = contender_entry(name, roles[name], made[name], epochs[name], turns_made)
    for name, reason in failed.items():
        entries[name] = not_served(name, roles[name], None, reason)
    compared = with_ratios([entries[name] for name in roles])
    return {"name": name_of_case, "failed": None, **description, "contenders": compared}


Turn = Callable[[int], dict[str, Any]]


def _turn(worker: Any, case: str, name: str, size: Size) -> Turn:
    words = {"contender": name, "case": case, "size": list(size)}
    return lambda epochs: worker.ask("turn", epochs=epochs, **words)


def _calibrated(turn: Turn, prepared: Mapping[str, Any], seconds: float) -> int:
    """Warm a contender up, and return for how many epochs a turn takes about `seconds`."""
    if not prepared["free"]:
        turn(prepared["epochs"])
        return prepared["epochs"]
    epochs = max(1, prepared["epochs"] // 10)
    for _ in range(MOST_TRIES):
        factor = seconds / turn(epochs)["seconds"]
        epochs = int(min(max(1, epochs * min(factor, LARGEST_STEP)), MOST_EPOCHS))
        if factor < 2:
            break
    return epochs


def _alternate(
    turns: Mapping[str, Turn], epochs: Mapping[str, int], rounds: int, tell: Tell
) -> tuple[dict[str, list[Any]], dict[str, str]]:
    """Return the turns of everyone, and why those that fell out on the way did."""
    made: dict[str, list[Any]] = {name: [] for name in epochs}
    failed: dict[str, str] = {}
    for k in range(rounds):
        for name in list(made):
            tell(f"round {k + 1} of {rounds}, {name}")
            try:
                made[name].append(turns[name](epochs[name]))
            except WorkerError as fault:
                failed[name] = str(fault)
                del made[name]
    return made, failed


# ---- useful throughput ---------------------------------------------------------------------------


def measure_useful(
    workers: Workers,
    budget: Budget,
    tell: Tell,
    runs_per_lane: int = 0,
    block_size: int | None = None,
) -> dict[str, Any]:
    """Train runs to their outcomes with and without refilled lanes, alternating.

    Args:
      workers: both workers, by role.
      budget: number of runs and rounds.
      tell: called with a line on where the bench stands.
      runs_per_lane: make more runs than in the budget if these are not so many.
      block_size: lanes per device; None for what a sweep takes.

    Returns:
      Settings, the sessions of both kinds (`refill` and `no_refill`, each with its median rate),
      `gain`, how many times as long it takes to run all lanes to the cap, and
      `gain_in_lane_epochs`, the same counted in epochs of lanes.
    """
    words = {"case": USEFUL_CASE, "max_epochs": USEFUL_MAX_EPOCHS}
    block = {"block_size": block_size}
    ask, kinds = workers[ALL_CORES].ask, {"refill": True, "no_refill": False}
    seeds = budget.useful_seeds
    try:
        lanes = ask("describe", case=USEFUL_CASE, epochs=1, **block)["lanes"]
        seeds = max(seeds, runs_per_lane * lanes)
        for name, refill in kinds.items():
            tell(f"{USEFUL_CASE} to its outcomes: warming up, {name.replace('_', ' ')}")
            ask("useful", seeds=max(1, seeds // 20), refill=refill, **words, **block)
        sessions: dict[str, list[Any]] = {name: [] for name in kinds}
        for k in range(budget.useful_rounds):
            for name, refill in kinds.items():
                tell(f"{USEFUL_CASE} to its outcomes: round {k + 1}, {name.replace('_', ' ')}")
                made = ask("useful", seeds=seeds, refill=refill, **words, **block)
                sessions[name].append(made)
    except SettingError as fault:
        refused = f"{fault.setting} {fault.rule}"
        return {**words, "seeds": seeds, "refused": refused, "failed": None}
    except WorkerError as fault:
        return {**words, "seeds": seeds, "refused": None, "failed": str(fault)}
    return {
        **words,
        "seeds": seeds,
        "lanes": lanes,
        "implementation": sessions["refill"][0]["implementation"],
        "refused": None,
        "failed": None,
        **{name: _summary(made) for name, made in sessions.items()},
        **_gains(sessions["refill"], sessions["no_refill"]),
    }


def _gains(refill: Sequence[Any], no_refill: Sequence[Any]) -> dict[str, float | None]:
    seconds = [off["seconds"] / on["seconds"] for on, off in zip(refill, no_refill, strict=True)]
    with_, without = refill[0]["occupancy"], no_refill[0]["occupancy"]
    return {
        "gain": median(seconds),
        "gain_in_lane_epochs": with_ / without if with_ and without else None,
    }


def _summary(sessions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    rates = [made["seed_epochs"] / made["seconds"] for made in sessions]
    same = ("seed_epochs", "occupancy", "converged", "nonfinite")
    return {
        **{name: sessions[0][name] for name in same},
        "seconds": [made["seconds"] for made in sessions],
        "rates": rates,
        "median": median(rates),
        "min": min(rates),
        "max": max(rates),
    }
