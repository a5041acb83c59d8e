"""Every contender in one form: compiled, with something to time and something to judge."""

import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from bpjax.bench import idiom, numpy_nets, ours
from bpjax.bench.cases import case_task
from bpjax.bench.ours import Timed
from bpjax.bench.outcome import Outcome, judge
from bpjax.bench.plain import initial_vectors, to_plain, to_vectors, why_not_plain
from bpjax.bench.sizes import USEFUL_CASE, Size
from bpjax.errors import SettingError
from bpjax.task import Task


class Contender(NamedTuple):
    """One way of training one case, ready to run.

    Attributes:
      runs: how many nets one turn trains.
      epochs: how many epochs, unless told otherwise.
      free: whether a turn may make another number of epochs; the scans are compiled for theirs.
      compile_seconds: until it was ready.
      turn: trains `runs` nets for a number of epochs and says how long that took.
      outcome: what the first runs are after `Size.epochs` epochs.
      block_size: runs per device and block, for ours.
    """

    runs: int
    epochs: int
    free: bool
    compile_seconds: float
    turn: Callable[[int], Timed]
    outcome: Callable[[], Outcome]
    block_size: int | None = None


def prepare(name: str, case: str, size: Size) -> Contender:
    """Return a contender, compiled.

    Args:
      name: a key of `bpjax.bench.sizes.BASELINES`, or an implementation of a sweep.
      case: what `case_task` takes.
      size: how large it is run.

    Raises:
      SettingError: if an implementation, or the baselines, cannot serve the case.
    """
    task = case_task(case)
    if name in _MAKERS:
        if why := why_not_plain(task):
            raise SettingError("contender", f"cannot train this: {why}", name)
        return _MAKERS[name](task, size)
    return _ours(name, task, size)


def prepare_lanes(name: str, lanes: int, epochs: int) -> Contender:
    """Return a contender, compiled, that trains `lanes` runs of XOR at once.

    Raises:
      SettingError: if an implementation cannot serve here.
    """
    task, size = case_task(USEFUL_CASE), Size(lanes, lanes, epochs, lanes, check_runs=1)
    if name in _MAKERS:
        return _MAKERS[name](task, size)
    ours.raw_plan(task, name, epochs)
    turn = functools.partial(ours.time_lanes, task, name, lanes)
    outcome = functools.partial(ours.outcome, task, name, None, 1, epochs)
    compile_seconds = turn(1).compile_seconds
    return Contender(lanes, epochs, True, compile_seconds, turn, outcome, ours.lanes_block(lanes))


def _numpy(train: Callable[..., np.ndarray], runs: int, task: Task, size: Size) -> Contender:
    start = initial_vectors(task, max(runs, size.check_runs))

    def turn(epochs: int) -> Timed:
        began = time.perf_counter()
        train(task, start[:runs], epochs)
        return Timed(time.perf_counter() - began, runs * epochs)

    def outcome() -> Outcome:
        ends = train(task, start[: size.check_runs], size.epochs)
        return judge(task, ends, size.epochs)

    # The first call for a number of runs compiles the functions that lay out weights.
    turn(1)
    return Contender(runs, size.epochs, True, 0.0, turn, outcome)


def _numpy_one(task: Task, size: Size) -> Contender:
    return _numpy(numpy_nets.train_one_by_one, 2, task, size)


def _numpy_batched(task: Task, size: Size) -> Contender:
    return _numpy(numpy_nets.train_batched, size.numpy_runs, task, size)


def _scan(make: Callable[..., Any], num_devices: int, task: Task, size: Size) -> Contender:
    runs = size.runs * num_devices
    params = jax.tree.map(jax.numpy.asarray, to_plain(task.network, initial_vectors(task, runs)))
    began = time.perf_counter()
    program = make(task, size.epochs).lower(params).compile()
    compile_seconds = time.perf_counter() - began
    # The runs start where the program wants them: moving them there is no part of a turn.
    params = jax.device_put(params, program.input_shardings[0][0])
    train = functools.partial(program, params)

    def turn(epochs: int) -> Timed:
        began = time.perf_counter()
        jax.block_until_ready(train())
        return Timed(time.perf_counter() - began, runs * size.epochs)

    def outcome() -> Outcome:
        return judge(task, to_vectors(task.network, train()[0])[: size.check_runs], size.epochs)

    return Contender(runs, size.epochs, False, compile_seconds, turn, outcome)


def _idiom(task: Task, size: Size) -> Contender:
    return _scan(idiom.idiom, 1, task, size)


def _idiom_sharded(task: Task, size: Size) -> Contender:
    return _scan(idiom.idiom_sharded, jax.local_device_count(), task, size)


def _python_loop(task: Task, size: Size) -> Contender:
    plain = to_plain(task.network, initial_vectors(task, size.runs))
    params = jax.tree.map(jax.numpy.asarray, plain)
    start, step = idiom.python_loop(task)

    def train(epochs: int) -> Any:
        carry = start(params)
        for _ in range(epochs):
            carry, _ = step(carry)
        return jax.block_until_ready(carry[0])

    def turn(epochs: int) -> Timed:
        began = time.perf_counter()
        train(epochs)
        return Timed(time.perf_counter() - began, size.runs * epochs)

    def outcome() -> Outcome:
        ends = to_vectors(task.network, train(size.epochs))
        return judge(task, ends[: size.check_runs], size.epochs)

    compile_seconds = turn(1).seconds
    return Contender(size.runs, size.epochs, True, compile_seconds, turn, outcome)


def _ours(implementation: str, task: Task, size: Size) -> Contender:
    words = task, implementation, size.block_size
    plan = ours.raw_plan(task, implementation, size.epochs, size.block_size)
    runs = ours.whole_blocks(size, plan)
    turn = functools.partial(ours.time_sweep, *words, runs)
    outcome = functools.partial(ours.outcome, *words, size.check_runs, size.epochs)
    compile_seconds = ours.compile_seconds(*words)
    return Contender(runs, size.epochs, True, compile_seconds, turn, outcome, plan.block_size)


_MAKERS: dict[str, Callable[[Task, Size], Contender]] = {
    "numpy-one": _numpy_one,
    "numpy-batched": _numpy_batched,
    "idiom": _idiom,
    "idiom-sharded": _idiom_sharded,
    "python-loop": _python_loop,
}
