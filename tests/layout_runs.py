"""Runs trained by a layout, and what `epoch.step` makes of them."""

import functools

import jax
import numpy as np

import bpjax
from bpjax.epoch import Cases, program_of, settings_of, start, step
from bpjax.params import flatten_params


def trained(task, implementation, num_runs=8, **settings):
    """Train eight seeds for a dozen epochs in float64, unless told."""
    common = {"precision": "float64", "block_size": 8, "keep_weights": True, "max_epochs": 12}
    with jax.numpy_dtype_promotion("standard"):  # optax's Adam is not strict
        return bpjax.sweep(task, num_runs, implementation=implementation, **common | settings)


def step_by_step(task, **settings):
    """Train the same runs with `epoch.step`, whose passes are those of `backprop`."""
    task = task.with_settings(max_epochs=12, **settings)
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        program, numbers = program_of(task, "float64"), settings_of(task, "float64")
        cases = Cases(*task.cases("float64"))
        one_epoch = jax.jit(functools.partial(step, program, cases, np.int32(12), numbers))
        begin = jax.jit(functools.partial(start, program, task.num_cases))
        states = [begin(np.uint32(seed), numbers) for seed in range(8)]
        for _ in range(13):
            states = [one_epoch(state) for state in states]
        return {
            "status": [int(state.status) for state in states],
            "epochs": [int(state.epoch) for state in states],
            "loss": [float(state.loss) for state in states],
            "weights": [flatten_params(task.network, state.params) for state in states],
        }


def assert_same(ours, reference):
    np.testing.assert_array_equal(ours["status"], reference["status"])
    np.testing.assert_array_equal(ours["epochs"], reference["epochs"])
    np.testing.assert_allclose(ours["loss"], reference["loss"], rtol=1e-11)
    np.testing.assert_allclose(ours["weights"], reference["weights"], rtol=1e-10, atol=1e-12)
