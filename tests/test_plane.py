"""Initial weights on a plane: the pixel is the run, in every layout, and nothing else moves."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bpjax
from bpjax.connections import Connection, Layer
from bpjax.errors import SettingError
from bpjax.network import Network, layered
from bpjax.params import flatten_params, parameter_names
from bpjax.problems import initial_problem
from bpjax.starts.initial import Initializer, init_params, run_key
from bpjax.starts.plane import Plane

XOR = bpjax.tasks.xor()
X, Y = "input[1] -> hidden[0]", "bias output[0]"
PLANE = Plane(X, Y, (-4.0, 2.0), (0.5, 1.5), width=3, height=2, base_seed=11)
CENTRES = [(x, y) for y in (0.75, 1.25) for x in (-3.0, -1.0, 1.0)]
"""Of the six pixels, worked out by hand."""


def directly(seed, init_range, dtype="float32"):
    """Return the start of a pixel, written down number by number."""
    rest = init_params(XOR.network, run_key(11), init_range, dtype=dtype)
    vector = np.array(flatten_params(XOR.network, rest))
    names = parameter_names(XOR.network)
    vector[names.index(X)], vector[names.index(Y)] = CENTRES[seed]
    return vector


@pytest.mark.parametrize("seed", range(6))
def test_a_pixel_has_two_weights_of_its_own_and_the_others_of_the_base_seed(seed, dtype):
    params = PLANE.params_of(XOR.network, seed, 0.3, dtype)
    vector = np.asarray(flatten_params(XOR.network, params))
    assert vector.dtype == dtype
    assert vector.tobytes() == directly(seed, 0.3, dtype).tobytes()


def test_the_other_weights_are_drawn_as_the_rest_says():
    plane = dataclasses.replace(PLANE, rest=Initializer(biases="zero"))
    bias = plane.params_of(XOR.network, 0, 0.3).bias
    assert bias["hidden"].tolist() == [0, 0]
    assert bias["output"].tolist() == [0.75]


@pytest.mark.parametrize("implementation", ["matrix", "unrolled"])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_every_implementation_starts_a_run_at_its_pixel(implementation, precision):
    """A rate of next to nothing leaves the weights where they started."""
    result = bpjax.sweep(
        XOR,
        6,
        initializer=PLANE,
        learning_rate=1e-30,
        max_epochs=2,
        tolerance=1e-3,
        keep_weights=True,
        implementation=implementation,
        precision=precision,
    )
    with jax.enable_x64(precision == "float64"):
        expected = np.stack([directly(seed, 0.3, precision) for seed in range(6)])
    assert result["weights"].tobytes() == expected.tobytes()


@pytest.mark.parametrize("implementation", ["matrix", "unrolled"])
def test_a_pixel_is_a_run_like_any_other(implementation):
    settings = {"initializer": PLANE, "implementation": implementation, "max_epochs": 3000}
    settings |= {"learning_rate": 1.0}
    result = bpjax.sweep(XOR, 6, keep_weights=True, **settings)
    run = bpjax.train(XOR, 4, record_every=1000, **settings)
    assert (run.status, run.epochs) == (result["status"][4], result["epochs"][4])
    weights = np.asarray(flatten_params(XOR.network, run.params))
    assert weights.tobytes() == result["weights"][4].tobytes()
    assert run.snapshots.weights[0].tobytes() == directly(4, 0.3).tobytes()


def test_the_plane_is_part_of_the_identity():
    identities = [
        bpjax.sweep(XOR, 1, initializer=plane, max_epochs=1).table.identity["task"]["recipe"]
        for plane in (PLANE, dataclasses.replace(PLANE, base_seed=12))
    ]
    assert identities[0]["initializer"] == repr(PLANE)
    assert identities[0] != identities[1]


def test_the_gradient_check_starts_there_too():
    problem = initial_problem(XOR.with_settings(initializer=PLANE), 5, 0.3)
    with jax.enable_x64(True):
        vector = np.asarray(flatten_params(XOR.network, problem.params))
    assert vector[parameter_names(XOR.network).index(Y)] == 1.25


def test_masked_weights_cannot_be_named_and_tied_ones_can():
    a, b = Layer("a", 2), Layer("b", 2)
    masked = Network([a, b], [Connection("a", "b", mask=[[1, 0], [1, 1]])])
    plane = Plane("a[0] -> b[0]", "a[0] -> b[1]")
    with pytest.raises(SettingError, match="`y` must name a weight that is not masked, got "):
        plane.check(masked)
    plane = Plane("a[0] -> b[0]", "a[1] -> b[1]", width=1, height=1)
    plane.check(masked)
    assert plane.params_of(masked, 0, 0.3).weight["a", "b"][0, 1] == 0
    tied = Network([a, b], [Connection("a", "b", tie=[[0, 1], [1, 0]])])
    plane = Plane("a -> b tied[0]", "a -> b tied[1]", (1, 2), (3, 4), 1, 1)
    plane.check(tied)
    assert plane.params_of(tied, 0, 0.3).weight["a", "b"].tolist() == [1.5, 3.5]


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: Plane(X, X), f"`y` must name another weight than `x`, got '{X}'."),
        (lambda: Plane(X, Y, width=0), "`width` must be a whole number of at least 1, got 0."),
        (lambda: Plane(X, Y, height=1.5), "`height` must be a whole number of at least 1, got 1.5"),
        (
            lambda: Plane(X, Y, width=2**17, height=2**17),
            "`height` must keep width x height within",
        ),
        (lambda: Plane(X, Y, x_range=(1, 1)), "`x_range` must be two increasing numbers within"),
        (lambda: Plane(X, Y, y_range=(0, 1, 2)), "`y_range` must be two increasing numbers"),
        (lambda: Plane(X, Y, y_range=5), "`y_range` must be two increasing numbers"),
        (lambda: Plane(X, Y, y_range=(0, 1e39)), "`y_range` must be two increasing numbers"),
        (lambda: Plane(X, Y, y_range=(0, np.nan)), "`y_range` must be two increasing numbers"),
        (lambda: Plane(X, Y, base_seed=-1), "`base_seed` must be a whole number from 0 to 2**32"),
        (
            lambda: XOR.with_settings(initializer=Plane(X, "bias input[0]")),
            "`y` must be one of input[0] -> hidden[0], input[0] -> hidden[1], ",
        ),
        (
            lambda: XOR.with_settings(initializer="uniform"),
            "`initializer` must be an Initializer, Start, Plane, or hashable with their methods",
        ),
        (
            lambda: bpjax.sweep(XOR, 7, initializer=PLANE),
            "`seeds` must keep all seeds at or below 5 with first_seed 0, got 7.",
        ),
        (
            lambda: bpjax.sweep(XOR, 1, first_seed=6, initializer=[Initializer(), PLANE]),
            "`seeds` must keep all seeds at or below 5 with first_seed 6, got 1.",
        ),
        (
            lambda: bpjax.train(XOR, 6, initializer=PLANE),
            "`seed` must be a whole number from 0 to 5, got 6.",
        ),
    ],
)
def test_a_fault_is_named(build, words):
    with pytest.raises(SettingError) as fault:
        build()
    assert words in str(fault.value)


def test_numbers_are_kept_as_pythons_own():
    plane = Plane(X, Y, np.array([0, 1], np.float32), [2, 3], np.int64(4), np.uint8(5), np.int8(6))
    assert repr(plane) == repr(Plane(X, Y, (0.0, 1.0), (2.0, 3.0), 4, 5, 6))
    assert hash(plane) == hash(Plane(X, Y, (0.0, 1.0), (2.0, 3.0), 4, 5, 6))


def test_a_seed_may_be_traced():
    network = layered(2, 1)
    plane = Plane("input[0] -> output[0]", "bias output[0]", width=5, height=4)
    start = jax.jit(jax.vmap(lambda seed: plane.params_of(network, seed, 0.3).bias["output"][0]))
    found = start(jnp.arange(20, dtype=jnp.uint32)).reshape(4, 5)
    assert (found == plane.rows()[:, None]).all()
