"""What several test files share: tolerances, a comparison that names the tensor, short runs."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bpjax
from bpjax.connections import Connection, Layer
from bpjax.epoch import Cases, program_of, settings_of, start, step
from bpjax.network import Network
from bpjax.recipe import Recipe
from bpjax.recurrent import unroll
from bpjax.sweeps.crew import Crew
from bpjax.task import Task

RELATIVE_TOLERANCE = {"float32": 1e-5, "float64": 1e-12}
"""Of the tensor's largest entry, after a handful of operations."""


def assert_trees_close(ours, theirs, tolerance=None):
    """Compare leaf by leaf; the message names the leaf. Tolerance 0 asks for equal bits."""
    our_leaves, our_shape = jax.tree_util.tree_flatten_with_path(ours)
    their_leaves, their_shape = jax.tree_util.tree_flatten_with_path(theirs)
    assert our_shape == their_shape
    for (path, ours_), (_, theirs_) in zip(our_leaves, their_leaves, strict=True):
        name = jax.tree_util.keystr(path) or "the one leaf"
        ours_, theirs_ = np.asarray(ours_), np.asarray(theirs_)
        assert ours_.shape == theirs_.shape, f"{name}: {ours_.shape} and {theirs_.shape}"
        allowed = RELATIVE_TOLERANCE.get(str(ours_.dtype), 0) if tolerance is None else tolerance
        scale = max(np.abs(theirs_).max(initial=0), np.abs(ours_).max(initial=0))
        off = np.abs(ours_.astype(theirs_.dtype) - theirs_).max(initial=0)
        assert off <= allowed * scale, f"{name}: off by {off} at scale {scale}"


def first_state(task, seed=0, dtype="float32", **settings):
    """Return (program, settings, state) of a run; `settings` may break the rules of a recipe."""
    program = program_of(task, dtype)
    numbers = settings_of(task, dtype)
    given = {name: np.full_like(getattr(numbers, name), x) for name, x in settings.items()}
    numbers = numbers._replace(**given)
    return program, numbers, start(program, task.num_cases, jnp.uint32(seed), numbers)


def advance(task, num_steps, seed=0, max_epochs=10**6, dtype="float32", **settings):
    """Return the run after `num_steps` calls of `epoch.step`."""
    program, numbers, state = first_state(task, seed, dtype, **settings)
    cases = Cases(*task.cases(dtype))
    return _advance(program, num_steps, jnp.int32(max_epochs), cases, numbers, state)


@functools.partial(jax.jit, static_argnums=0)
def _advance(program, num_steps, max_epochs, cases, numbers, state):
    def one_step(_, state):
        return step(program, cases, max_epochs, numbers, state)

    return jax.lax.fori_loop(0, num_steps, one_step, state)


def task_of(network, loss, seed):
    """Return a made-up task for a network: three cases drawn from the seed."""
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
    """Return a net with a loop over three steps, shown something twice and asked twice."""
    layers = [Layer("shown", 2), Layer("hidden", 2), Layer("answer", 1)]
    pairs = [("shown", "hidden"), ("hidden", "hidden"), ("hidden", "answer")]
    net = Network(layers, [Connection(*pair, delay=1) for pair in pairs])
    return unroll(net, 3, wanted={"answer": [2, 3]}, shown={"shown": [0, 1]})


def count_advances(monkeypatch):
    """Return a list that grows by every stride that a `Crew` is asked for."""
    made, advance = [], Crew.advance

    def counted(crew, num_epochs=None):
        made.append(num_epochs)
        return advance(crew, num_epochs)

    monkeypatch.setattr(Crew, "advance", counted)
    return made


def daily(those, of):
    """Return the values `of` a parameter, all but `those` marked slow; `those` must be among them.

    Values with several parts are tuples.
    """
    values = list(of)
    assert all(value in values for value in those), those
    return [
        pytest.param(
            *(value if isinstance(value, tuple) else (value,)),
            marks=() if value in those else pytest.mark.slow,
        )
        for value in values
    ]
