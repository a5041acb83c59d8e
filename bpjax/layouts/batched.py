"""A block of runs as one run mapped over lanes, for larger nets on accelerators. Serves every net.

The epoch is `bpjax.epoch.step`, whose passes are those of `bpjax.backprop`, with the lanes as the
first axis of every array: a product of matrices becomes a batch of products, with all cases at
once, and in the first layer, whose inputs all runs share, one large product.

On a CPU there is no such large product, because every lane has a copy of the cases: in a product
of 2,304 columns the last ones were added in another order (seen with jax 0.10.2), and a run's bits
must not depend on its lane. A GPU's kernels should treat all columns alike, which `pytest -m gpu`
has to show; `scheduler.advance_on_gpu` sees to it that they are not chosen by timing.

What is known, and how. Nobody has run this on a GPU yet. How many kernels it starts for an epoch,
beside the other layouts, is counted in `experiments.gpu_code`. With the lanes last or in the middle
they were as many, and by their shapes read and wrote up to two fifths more; with a copy of the
cases for every lane up to 2.2 times as much. On two CPU cores `matrix` is 2.6 times as fast for the
family trees, 8 times for symmetry and 16 times for the encoder.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Int

from bpjax.epoch import Cases, Program, RunState, Settings, step
from bpjax.layouts.lanes import Arithmetic, Layout
from bpjax.task import Task


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
    settings, runs = _move_axis((settings, runs), -1, 0)
    own_cases = arithmetic.platform == "cpu"
    if own_cases:
        lanes = runs.epoch.shape
        cases = jax.tree.map(lambda table: jnp.broadcast_to(table, lanes + table.shape), cases)
    in_axes = (0 if own_cases else None, None, 0, 0)
    one_epoch = jax.vmap(functools.partial(step, arithmetic.program), in_axes)

    def go_on(_: Any, runs: RunState) -> RunState:
        return one_epoch(cases, max_epochs, settings, runs)

    return _move_axis(lax.fori_loop(0, num_epochs, go_on, runs), 0, -1)


def _move_axis(tree: Any, source: int, target: int) -> Any:
    return jax.tree.map(lambda array: jnp.moveaxis(array, source, target), tree)


def is_best(program: Program, num_cases: int, platform: str) -> bool:
    """Return whether it should be the best: by the number of kernels of an epoch, not measured."""
    del program, num_cases
    return platform == "gpu"


LAYOUT = Layout(cases_of, advance, is_best=is_best)
