"""A block of runs as one run for every lane, by products of matrices. Serves every net.

The epoch is `bpjax.epoch.step`, whose passes are those of `bpjax.backprop`, with all cases at once.

On a CPU a device takes one run after the other: its arrays stay in the cache, and it is left when
it ends. That is faster than `matrix` where a net has large matrices, 3 times for digits. A product
for all runs at once would be no faster, and in one of 2,304 columns the last ones were added in
another order (seen with jax 0.10.2), while a run's bits must not depend on its lane.

On an accelerator all lanes go on together, as the first axis of every array: a product of matrices
becomes a batch of products, and in the first layer, whose inputs all runs share, one large product.
A GPU's kernels should treat all columns alike, which `pytest -m gpu` has to show;
`scheduler.advance_on_gpu` sees to it that they are not chosen by timing.

What is known, and how. Nobody has run this on a GPU yet. How many kernels it starts for an epoch,
beside the other layouts, is counted in `experiments.gpu_code`. With the lanes last or in the middle
they were as many, and by their shapes read and wrote up to two fifths more; with a copy of the
cases for every lane up to 2.2 times as much.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Int

from bpjax.epoch import Cases, Program, RunState, Settings, step
from bpjax.layouts.lanes import Arithmetic, Layout
from bpjax.status import Status
from bpjax.task import Task

LARGEST_SMALL = 768
"""Weights of one connection, up to which `matrix` is taken on a CPU: with 24 times 24 it was 1.5
times as fast in a net with one hidden layer and 0.8 times with two, with 32 times 32 0.6 times."""


def cases_of(task: Task, program: Program) -> Cases:
    """Return the cases in the form that `advance` takes."""
    return Cases(*task.cases(program.dtype))


def advance(
    arithmetic: Arithmetic,
    num_cases: int,
    cases: Cases,
    max_epochs: Int[Array, ""],
    num_epochs: Int[Array, ""],
    settings: Settings,
    runs: RunState,
) -> RunState:
    """Make `num_epochs` epochs with every run that has not ended, as `lanes.train` does."""
    one_epoch = functools.partial(step, arithmetic.program, cases, max_epochs)
    lanes = _move_axis((settings, runs), -1, 0)
    if arithmetic.platform == "cpu":
        runs = lax.map(functools.partial(_train_alone, one_epoch, num_epochs), lanes)
    else:
        settings, runs = lanes
        go_on = functools.partial(jax.vmap(one_epoch), settings)
        runs = lax.fori_loop(0, num_epochs, lambda _, runs: go_on(runs), runs)
    return _move_axis(runs, 0, -1)


def _train_alone(
    one_epoch: Callable[[Settings, RunState], RunState],
    num_epochs: Int[Array, ""],
    lane: tuple[Settings, RunState],
) -> RunState:
    """Make the epochs of one run, until it ends."""
    settings, run = lane

    def goes_on(carry: tuple[Any, RunState]) -> Any:
        made, run = carry
        return (made < num_epochs) & (run.status == Status.RUNNING)

    def go_on(carry: tuple[Any, RunState]) -> tuple[Any, RunState]:
        made, run = carry
        return made + 1, one_epoch(settings, run)

    return lax.while_loop(goes_on, go_on, (jnp.int32(0), run))[1]


def _move_axis(tree: Any, source: int, target: int) -> Any:
    return jax.tree.map(lambda array: jnp.moveaxis(array, source, target), tree)


def is_best(program: Program, num_cases: int, platform: str) -> bool:
    """Return whether it should be the best.

    On a CPU, where it was measured, with large matrices of weights; on a GPU, where it was not, by
    the number of kernels of an epoch.
    """
    del num_cases
    size, connections = program.network.size, program.network.connections
    largest = max(size(c.source) * size(c.target) for c in connections)
    return platform == "gpu" or (platform == "cpu" and largest > LARGEST_SMALL)


LAYOUT = Layout(cases_of, advance, is_best=is_best)
