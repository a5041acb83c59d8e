"""The kernel for GPUs: interpreted on a CPU against `epoch.step`, and written down for CUDA.

Nothing here shows that it runs on a GPU; tests/test_gpu.py does, where there is one.
"""

import dataclasses
import functools

import jax
import numpy as np
import pytest

import bpjax
from bpjax.epoch import Cases, Settings, program_of, settings_of, step
from bpjax.gradient_check import random_network
from bpjax.learning import Recipe, Schedule
from bpjax.loss import HalfSquaredError, MarginSquaredError
from bpjax.network import Connection, Layer, Network
from bpjax.recurrent import unroll
from bpjax.sweeps import fused, lanes, unrolled
from bpjax.task import Task
from bpjax.tasks import encoder, negation, parity, shift_register, symmetry, xor

RUNS, EPOCHS = 5, 9

quick_jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
"""What is compiled here runs for milliseconds."""


def task_of(network, loss, seed):
    rng = np.random.default_rng(seed)
    return Task(
        name="random",
        title="random",
        options={},
        network=network,
        inputs=rng.choice([0.0, 1.0, -0.5, 2.0], (3, network.num_in)),
        targets=rng.integers(0, 2, (3, network.num_out)).astype(float),
        recipe=Recipe(learning_rate=0.05, momentum=0.5, init_range=0.7),
        source="made up",
        criterion=bpjax.Criterion("tolerance", 0.01),
        loss=loss,
    )


def in_time():
    """A net with a loop over three steps, whose copies share their weights."""
    layers = [Layer("shown", 2), Layer("hidden", 2), Layer("answer", 1)]
    pairs = [("shown", "hidden"), ("hidden", "hidden"), ("hidden", "answer")]
    net = Network(layers, [Connection(*pair, delay=1) for pair in pairs])
    return unroll(net, 3, wanted={"answer": [2, 3]}, shown={"shown": [0, 1]})


ALL_AT_ONCE = {
    "learning_rate": Schedule((0.1, 0.4), (5,)),
    "momentum": Schedule((0.5, 0.9), (7,)),
    "weight_decay": 0.01,
    "decay_biases": False,
    "loss_below": 0.495,
}
MARGIN = MarginSquaredError(measured_from="margin", scope="case")
TASKS = {
    "xor": xor(),
    "all at once": dataclasses.replace(xor(), held_out=(1,)).with_settings(**ALL_AT_ONCE),
    "per case": dataclasses.replace(xor(direct=True), held_out=1).with_settings(updates="case"),
    "sgd": xor().with_settings(optimizer="sgd"),
    "rmsprop": xor().with_settings(optimizer="rmsprop", learning_rate=0.01),
    "rprop": xor().with_settings(optimizer="rprop", learning_rate=0.01),
    "two hidden layers": parity(bits=3, hidden_layers=2),
    "encoder": encoder(size=3, hidden=2),
    "symmetry": symmetry(bits=3),
    "shift register": shift_register(),
    "negation": negation(),
    "in time": task_of(in_time(), HalfSquaredError(), 5),
    "any units": task_of(random_network(0), MarginSquaredError(), 0),
    "any wiring": task_of(random_network(2), MARGIN, 2),
}


def started(task, num_runs, dtype):
    program, rows = program_of(task, dtype), settings_of(task, dtype)
    settings = Settings(*(np.repeat(row[..., None], num_runs, axis=-1) for row in rows))
    seeds = np.arange(num_runs, dtype=np.uint32)
    runs = quick_jit(functools.partial(lanes.start, program, task.num_cases))(seeds, settings)
    return program, settings, runs


def by_kernel(task, num_runs=RUNS, dtype="float64", epochs=(EPOCHS,), max_epochs=EPOCHS):
    """Train with the interpreted kernel, in strides of `epochs`."""
    program, settings, runs = started(task, num_runs, dtype)
    arithmetic, cases = lanes.Arithmetic(program, "cpu"), unrolled.cases_of(task, program)
    advance = quick_jit(functools.partial(fused.advance, arithmetic, task.num_cases, cases))
    for many in epochs:
        runs = advance(np.int32(max_epochs), np.int32(many), settings, runs)
    return jax.device_get(runs)


def by_steps(task, num_runs=RUNS, dtype="float64", epochs=EPOCHS, max_epochs=EPOCHS):
    """Train with `epoch.step`, whose passes are those of `backprop`."""
    program, settings, runs = started(task, num_runs, dtype)
    cases = Cases(*task.cases(dtype))
    one = functools.partial(step, program, cases, np.int32(max_epochs))
    one_epoch = quick_jit(jax.vmap(one, in_axes=-1, out_axes=-1))
    for _ in range(epochs):
        runs = one_epoch(settings, runs)
    return jax.device_get(runs)


def assert_same(ours, theirs, rtol=1e-10):
    np.testing.assert_array_equal(ours.status, theirs.status)
    np.testing.assert_array_equal(ours.epoch, theirs.epoch)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol / 100)


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.usefixtures("float64")
def test_the_kernel_computes_what_single_runs_give(name):
    task = TASKS[name]
    assert fused.why_not(program_of(task), task.num_cases) is None
    assert_same(by_kernel(task), by_steps(task))
