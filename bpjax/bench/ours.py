"""Our own contenders, reached as a user reaches them: through `sweep` and `make_plan`."""

import time
from typing import Any, NamedTuple

import jax
import numpy as np

from bpjax.bench.outcome import Outcome, judge
from bpjax.bench.plain import dtype_here, why_not_plain
from bpjax.bench.sizes import LARGEST_BLOCK, UNREACHABLE_LOSS, Size
from bpjax.errors import SettingError
from bpjax.layouts import LAYOUTS, layout_named
from bpjax.status import Status
from bpjax.sweeps.host_loop import sweep
from bpjax.sweeps.plan import Plan
from bpjax.sweeps.planning import make_plan
from bpjax.sweeps.result import SweepResult
from bpjax.task import Task


class Timed(NamedTuple):
    """One timing: seconds, results awaited and without compilation, and the work done in them.

    `compile_seconds` went by before, where a call has to compile.
    """

    seconds: float
    seed_epochs: int
    compile_seconds: float = 0.0


def implementations() -> list[str]:
    """Return every implementation that a sweep on these devices can be asked for by name."""
    return [name for name in LAYOUTS if layout_named(name).why_not_here() is None]


def fastest_first() -> list[str]:
    """Return what to train many small nets with here: the next one where one of them fails."""
    return ["auto"] if layout_named("fused").why_not_here() else ["fused", "auto"]


def raw_settings(implementation: str, epochs: int, block_size: int | None = None) -> dict[str, Any]:
    """Return the settings of a sweep that makes exactly `epochs` epochs of every run."""
    return {
        "block_size": block_size,
        "implementation": implementation,
        "precision": dtype_here().name,
        "max_epochs": epochs,
        "loss_below": UNREACHABLE_LOSS,
        "keep_weights": True,  # also where they are not looked at: it is another program
    }


def raw_plan(task: Task, implementation: str, epochs: int, block_size: int | None = None) -> Plan:
    """Return the plan of such a sweep.

    Raises:
      SettingError: if the implementation cannot serve the task.
    """
    return served_plan(task, 1, **raw_settings(implementation, epochs, block_size))


def served_plan(task: Task, runs: int, **settings: Any) -> Plan:
    """Return the plan of a sweep by the implementation that is asked for, and by no other.

    Raises:
      SettingError: if that cannot serve the sweep; its rule says why.
    """
    plan = make_plan(task, runs, **settings)
    if plan.fallback is not None:
        raise SettingError("implementation", plan.fallback, settings["implementation"])
    return plan


def whole_blocks(size: Size, plan: Plan) -> int:
    """Return the number of runs that fills blocks: at least `size.our_runs` per device."""
    lanes = plan.block_size * jax.local_device_count()
    return -(-size.our_runs * jax.local_device_count() // lanes) * lanes


def compile_seconds(task: Task, implementation: str, block_size: int | None) -> float:
    """Compile the training program of a raw sweep and say how long that took."""
    timing = sweep(task, 1, **raw_settings(implementation, 1, block_size)).timing
    assert timing is not None
    return timing.compile_seconds


def time_sweep(
    task: Task, implementation: str, block_size: int | None, runs: int, epochs: int
) -> Timed:
    """Train `runs` runs for `epochs` epochs each."""
    return _timed(sweep(task, runs, **raw_settings(implementation, epochs, block_size)))


def outcome(
    task: Task, implementation: str, block_size: int | None, runs: int, epochs: int
) -> Outcome:
    """Return what our program computes; the loss is the one that the sweep reports."""
    settings = raw_settings(implementation, epochs, block_size)
    result = sweep(task, runs, **settings)
    mean = float(np.mean(result["loss"], dtype=np.float64))
    loss = mean if np.isfinite(mean) else None
    if why_not_plain(task):
        return Outcome(runs, epochs, loss, None)
    return judge(task, result["weights"], epochs)._replace(loss=loss)


def useful(
    task: Task, seeds: int, max_epochs: int, refill: bool, block_size: int | None
) -> dict[str, Any]:
    """Train runs to their outcomes, and return the useful throughput.

    Args:
      task: with its own criterion.
      seeds: number of runs.
      max_epochs: the cap.
      refill: whether a lane takes a new run as soon as its run has ended.
      block_size: runs per device and block; None for what a sweep takes.

    Returns:
      `seconds` of training, `seed_epochs` that the runs needed up to their outcomes, `occupancy`
      (the share of lane-epochs spent on runs that needed them, None where it is not known), the
      shares of runs that ended each way, and the `implementation` that did it.
    """
    began = time.perf_counter()
    words = {"block_size": block_size, "precision": dtype_here().name}
    result = sweep(task, seeds, max_epochs=max_epochs, refill=refill, **words)
    timed, status = _timed(result), result["status"]
    return {
        "seconds": timed.seconds,
        "total_seconds": time.perf_counter() - began,
        "seed_epochs": int(np.sum(result["epochs"], dtype=np.int64)),
        "occupancy": getattr(result.timing, "occupancy", None),
        "converged": float(np.mean(status == Status.CONVERGED)),
        "nonfinite": float(np.mean(status == Status.NONFINITE)),
        "implementation": result.table.identity["implementation"],
    }


def _timed(result: SweepResult) -> Timed:
    timing = result.timing
    assert timing is not None
    return Timed(timing.run_seconds, timing.seed_epochs, timing.compile_seconds)


# ---- on a GPU ------------------------------------------------------------------------------------


def time_lanes(task: Task, implementation: str, lanes: int, epochs: int) -> Timed:
    """Train as many runs as there are lanes for `epochs` epochs each."""
    settings = raw_settings(implementation, epochs, lanes_block(lanes))
    return _timed(sweep(task, lanes, **settings | {"keep_weights": False}))


def lanes_block(lanes: int) -> int:
    """Return how many runs a block has in `time_lanes`."""
    return min(lanes, LARGEST_BLOCK)


def time_outcomes(task: Task, seeds: int, max_epochs: int, implementation: str) -> dict[str, Any]:
    """Train runs to their outcomes and keep only counts.

    Returns:
      `seconds` from the call to the summary, `compile_seconds` apart; what was done in them, as
      counts, per second, and the share of converged runs with its interval.
    """
    began = time.perf_counter()
    words: dict[str, Any] = {"max_epochs": max_epochs, "implementation": implementation}
    words["precision"] = dtype_here().name
    served_plan(task, seeds, summary_only=True, **words)
    result = sweep(task, seeds, summary_only=True, **words)
    summary, timed = result.summary(), _timed(result)
    seconds = time.perf_counter() - began - timed.compile_seconds
    return {
        "seeds": seeds,
        "implementation": result.table.identity["implementation"],
        "seconds": seconds,
        "compile_seconds": timed.compile_seconds,
        "runs_per_second": seeds / seconds,
        "seed_epochs": timed.seed_epochs,
        "seed_epochs_per_second": timed.seed_epochs / seconds,
        "converged": summary["converged"],
        "nonfinite": summary["nonfinite"],
        "solved": summary["success_rate"],
    }
