"""Runs that the kernel for GPUs can train, and what `epoch.step` makes of them."""

import dataclasses
import functools

import jax
import numpy as np
from helpers import in_time, task_of

from bpjax.epoch import Cases, Settings, program_of, settings_of, step
from bpjax.layouts import fused, lanes, unrolled
from bpjax.loss import HalfSquaredError, MarginSquaredError
from bpjax.problems import random_network
from bpjax.schedule import Schedule
from bpjax.tasks import TASKS as ALL_TASKS
from bpjax.tasks import make_task, xor

RUNS, EPOCHS = 5, 9

quick_jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
"""What is compiled here runs for milliseconds."""


ALL_AT_ONCE = {
    "learning_rate": Schedule((0.1, 0.4), (5,)),
    "momentum": Schedule((0.5, 0.9), (7,)),
    "weight_decay": 0.01,
    "decay_biases": False,
    "loss_below": 0.495,
}
MARGIN = MarginSquaredError(measured_from="margin", scope="case")
SERVED = [
    name
    for name, task in ((name, make_task(name)) for name in ALL_TASKS)
    if name != "xor" and not fused.why_not(program_of(task), task.num_cases)
]
"""With XOR all tasks that it serves as they come."""
TASKS = {
    "xor": xor(),
    **{name: make_task(name) for name in SERVED},
    "all at once": dataclasses.replace(xor(), held_out=(1,)).with_settings(**ALL_AT_ONCE),
    "per case": dataclasses.replace(xor(direct=True), held_out=1).with_settings(updates="case"),
    "rmsprop": xor().with_settings(optimizer="rmsprop", learning_rate=0.01),
    "rprop": xor().with_settings(optimizer="rprop", learning_rate=0.5),
    "rprop, stepping back": xor().with_settings(
        optimizer="rprop(backtracking=true)", learning_rate=0.5
    ),
    "sgd": xor().with_settings(optimizer="sgd"),
    "nesterov": xor().with_settings(optimizer="nesterov"),
    "adagrad": xor().with_settings(optimizer="adagrad", learning_rate=0.1),
    "quickprop": xor().with_settings(optimizer="quickprop(decay=0.01)", learning_rate=0.1),
    "delta-bar-delta": xor().with_settings(optimizer="delta-bar-delta", learning_rate=0.5),
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


def by_steps(task, num_runs=RUNS, dtype="float64", epochs=EPOCHS, max_epochs=EPOCHS):
    """Train with `epoch.step`, whose passes are those of `backprop`."""
    program, settings, runs = started(task, num_runs, dtype)
    cases = Cases(*task.cases(dtype))
    one = functools.partial(step, program, cases, np.int32(max_epochs))
    one_epoch = quick_jit(jax.vmap(one, in_axes=-1, out_axes=-1))
    for _ in range(epochs):
        runs = one_epoch(settings, runs)
    return jax.device_get(runs)


def by_kernel(
    task,
    num_runs=RUNS,
    dtype="float64",
    epochs=(EPOCHS,),
    max_epochs=EPOCHS,
    kernel=fused,
    rate=None,
):
    """Train with the interpreted kernel in strides of `epochs`; `rate` is the second run's own."""
    program, settings, runs = started(task, num_runs, dtype)
    if rate is not None:
        settings.learning_rate[..., 1] = rate
    arithmetic, cases = lanes.Arithmetic(program, "cpu"), unrolled.cases_of(task, program)
    advance = quick_jit(functools.partial(kernel.advance, arithmetic, task.num_cases, cases))
    for many in epochs:
        runs = advance(np.int32(max_epochs), np.int32(many), settings, runs)
    return jax.device_get(runs)
