"""Our own contenders, reached as a user reaches them: through `sweep` and `make_plan`."""

import time
from typing import Any, NamedTuple

import jax
import numpy as np

from bpjax.bench.outcome import Outcome, judge
from bpjax.bench.sizes import UNREACHABLE_LOSS, Size
from bpjax.status import Status
from bpjax.sweeps import fused
from bpjax.sweeps.plan import IMPLEMENTATIONS, Plan, make_plan
from bpjax.sweeps.run import SweepResult, sweep
from bpjax.task import Task


class Timed(NamedTuple):
    """One timing: seconds, results awaited and without compilation, and the work done in them."""

    seconds: float
    seed_epochs: int


def implementations() -> list[str]:
    """Return every implementation that a sweep on these devices can be asked for."""
    not_here = ("auto",) if fused.why_not_here() is None else ("auto", "fused")
    return [name for name in IMPLEMENTATIONS if name not in not_here]


def raw_settings(implementation: str, epochs: int) -> dict[str, Any]:
    """Return the settings of a sweep that makes exactly `epochs` epochs of every run."""
    return {
        "implementation": implementation,
        "max_epochs": epochs,
        "loss_below": UNREACHABLE_LOSS,
        "keep_weights": True,  # also where they are not looked at: it is another program
    }


def raw_plan(task: Task, implementation: str, epochs: int) -> Plan:
    """Return the plan of such a sweep.

    Raises:
      SettingError: if the implementation cannot serve the task.
    """
    return make_plan(task, 1, **raw_settings(implementation, epochs))


def whole_blocks(size: Size, plan: Plan) -> int:
    """Return the number of runs that fills blocks: at least `size.our_runs` per device."""
    lanes = plan.block_size * jax.local_device_count()
    return -(-size.our_runs * jax.local_device_count() // lanes) * lanes


def compile_seconds(task: Task, implementation: str) -> float:
    """Compile the training program of a raw sweep and say how long that took."""
    timing = sweep(task, 1, **raw_settings(implementation, 1)).timing
    assert timing is not None
    return timing.compile_seconds


def time_sweep(task: Task, implementation: str, runs: int, epochs: int) -> Timed:
    """Train `runs` runs for `epochs` epochs each."""
    return _timed(sweep(task, runs, **raw_settings(implementation, epochs)))


def outcome(task: Task, implementation: str, runs: int, epochs: int) -> Outcome:
    """Return what our program computes; the loss is the one that the sweep reports."""
    settings = raw_settings(implementation, epochs)
    result = sweep(task, runs, **settings)
    judged = judge(task, result["weights"], epochs)
    loss = float(np.mean(result["loss"], dtype=np.float64))
    return judged._replace(loss=loss if np.isfinite(loss) else None)


def useful(task: Task, seeds: int, max_epochs: int, refill: bool) -> dict[str, Any]:
    """Train runs to their outcomes, and return the useful throughput.

    Args:
      task: with its own criterion.
      seeds: number of runs.
      max_epochs: the cap.
      refill: whether a lane takes a new run as soon as its run has ended.

    Returns:
      `seconds` of training, `seed_epochs` that the runs needed up to their outcomes, `occupancy`
      (the share of lane-epochs spent on runs that needed them, None where it is not known), and
      the shares of runs that ended each way.
    """
    began = time.perf_counter()
    result = sweep(task, seeds, max_epochs=max_epochs, refill=refill)
    timed, status = _timed(result), result["status"]
    return {
        "seconds": timed.seconds,
        "total_seconds": time.perf_counter() - began,
        "seed_epochs": int(np.sum(result["epochs"], dtype=np.int64)),
        "occupancy": getattr(result.timing, "occupancy", None),
        "converged": float(np.mean(status == Status.CONVERGED)),
        "nonfinite": float(np.mean(status == Status.NONFINITE)),
    }


def _timed(result: SweepResult) -> Timed:
    timing = result.timing
    assert timing is not None
    return Timed(timing.run_seconds, timing.seed_epochs)


# ---- on a GPU ------------------------------------------------------------------------------------

LARGEST_BLOCK = 2**20
"""More lanes than a block may have are trained block after block."""


def time_lanes(task: Task, implementation: str, lanes: int, epochs: int) -> Timed:
    """Train as many runs as there are lanes for `epochs` epochs each."""
    settings = raw_settings(implementation, epochs) | {"keep_weights": False}
    return _timed(sweep(task, lanes, block_size=min(lanes, LARGEST_BLOCK), **settings))


def time_outcomes(task: Task, seeds: int, max_epochs: int) -> dict[str, Any]:
    """Train runs to their outcomes with the fastest implementation there is; keep only counts."""
    implementation = "fused" if fused.why_not_here() is None else "auto"
    began = time.perf_counter()
    summary = sweep(
        task, seeds, max_epochs=max_epochs, implementation=implementation, summary_only=True
    ).summary()
    return {
        "seeds": seeds,
        "implementation": implementation,
        "seconds": time.perf_counter() - began,
        "seed_epochs": summary["seed_epochs"],
        "converged": summary["converged"],
        "nonfinite": summary["nonfinite"],
    }
