"""The bench itself: everything compiled and judged first, then turn by turn in alternation.

Only one worker works at any time, and every round gives each contender one turn, so a machine that
slows down slows down all of them.
"""

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

from bpjax.bench import gpu
from bpjax.bench.client import Workers
from bpjax.bench.record import contender_entry, new_record, with_ratios
from bpjax.bench.sizes import (
    ALL_CORES,
    BASELINES,
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


def bench(
    workers: Workers, suite: str, sizes: Mapping[str, Size], budget: Budget, tell: Tell
) -> dict[str, Any]:
    """Measure all contenders on some cases.

    Args:
      workers: both workers, by role.
      suite: "cpu" or "gpu", for the record.
      sizes: the cases to measure, and how large.
      budget: rounds and seconds.
      tell: called with a line on where the bench stands.

    Returns:
      The record, see `bpjax.bench.record`.

    Raises:
      WorkerError: if a worker dies.
    """
    tell("starting JAX")
    record = new_record(suite, budget, {role: w.ask("hello") for role, w in workers.items()})
    for case, size in sizes.items():
        record["cases"].append(measure_case(workers, case, size, budget, tell))
    if USEFUL_CASE in sizes:
        record["useful"] = measure_useful(workers, budget, tell)
    if suite == "gpu":
        record["gpu"] = measure_gpu(workers, record["workers"][ALL_CORES], budget, tell)
    return record


def measure_gpu(
    workers: Workers, hello: Mapping[str, Any], budget: Budget, tell: Tell
) -> dict[str, Any]:
    """Return what only a GPU is asked for: `bound`, `lanes` and `sweeps`."""

    def ask(role: str, do: str, **words: Any) -> Any:
        return workers[role].ask(do, **words)

    limit = gpu.bound(hello["device_kind"], hello["num_multiprocessors"])
    return {
        "bound": limit,
        "lanes": gpu.measure_lanes(ask, BASELINES, budget, limit, tell),
        "sweeps": gpu.measure_sweeps(ask, tell),
    }


def contenders(workers: Workers) -> dict[str, str]:
    """Return the role of the worker of every contender, in the order of the table."""
    ours = workers[ALL_CORES].ask("hello")["implementations"]
    return BASELINES | dict.fromkeys(ours, ALL_CORES)


def measure_case(
    workers: Workers, case: str, size: Size, budget: Budget, tell: Tell
) -> dict[str, Any]:
    """Return the entry of one case."""
    roles = contenders(workers)
    description = workers[ALL_CORES].ask("describe", case=case, epochs=size.epochs)
    prepared, refused, epochs = {}, {}, {}
    for name, role in roles.items():
        tell(f"{case}: preparing {name}")
        try:
            words = {"contender": name, "case": case}
            prepared[name] = workers[role].ask("prepare", size=list(size), **words)
        except SettingError as fault:
            refused[name] = {"name": name, "worker": role, "refused": fault.rule}
            continue
        turn = _turn(workers, roles, case, name)
        epochs[name] = _calibrated(turn, prepared[name], budget.seconds)
    turns = _alternate(workers, roles, case, epochs, budget.rounds, tell)
    for worker in workers.values():
        worker.ask("forget")
    entries = [
        refused.get(name) or contender_entry(name, role, prepared[name], epochs[name], turns[name])
        for name, role in roles.items()
    ]
    return {"name": case, **description, "contenders": with_ratios(entries)}


def _turn(
    workers: Workers, roles: Mapping[str, str], case: str, name: str
) -> Callable[[int], dict[str, Any]]:
    worker = workers[roles[name]]
    return lambda epochs: worker.ask("turn", contender=name, case=case, epochs=epochs)


def _calibrated(
    turn: Callable[[int], Mapping[str, Any]], prepared: Mapping[str, Any], seconds: float
) -> int:
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
    workers: Workers,
    roles: Mapping[str, str],
    case: str,
    epochs: Mapping[str, int],
    rounds: int,
    tell: Tell,
) -> dict[str, list[Any]]:
    turns: dict[str, list[Any]] = {name: [] for name in epochs}
    for k in range(rounds):
        for name in epochs:
            tell(f"{case}: round {k + 1} of {rounds}, {name}")
            turns[name].append(_turn(workers, roles, case, name)(epochs[name]))
    return turns


# ---- useful throughput ---------------------------------------------------------------------------


def measure_useful(workers: Workers, budget: Budget, tell: Tell) -> dict[str, Any]:
    """Train runs to their outcomes with and without refilled lanes, alternating.

    Returns:
      Settings, the sessions of both kinds (`refill` and `no_refill`, each with its median rate),
      `gain`, how many times as long it takes to run all lanes to the cap, and
      `gain_in_lane_epochs`, the same counted in epochs of lanes.
    """
    words = {"case": USEFUL_CASE, "max_epochs": USEFUL_MAX_EPOCHS}
    ask, kinds = workers[ALL_CORES].ask, {"refill": True, "no_refill": False}
    warm_up = max(1, budget.useful_seeds // 20)
    try:
        for name, refill in kinds.items():
            tell(f"{USEFUL_CASE} to its outcomes: warming up, {name.replace('_', ' ')}")
            ask("useful", seeds=warm_up, refill=refill, **words)
        sessions: dict[str, list[Any]] = {name: [] for name in kinds}
        for k in range(budget.useful_rounds):
            for name, refill in kinds.items():
                tell(f"{USEFUL_CASE} to its outcomes: round {k + 1}, {name.replace('_', ' ')}")
                made = ask("useful", seeds=budget.useful_seeds, refill=refill, **words)
                sessions[name].append(made)
    except SettingError as fault:
        return {**words, "seeds": budget.useful_seeds, "refused": f"{fault.setting} {fault.rule}"}
    return {
        **words,
        "seeds": budget.useful_seeds,
        "refused": None,
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
