import functools
import os
import pickle
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_trees_close

from bpjax.connections import Connection, Layer
from bpjax.errors import SettingError
from bpjax.network import Network, layered
from bpjax.params import (
    flatten_params,
    parameter_names,
    unflatten_params,
    weight_gradient,
    weight_matrix,
)
from bpjax.starts.initial import Initializer, init_params, run_key

ROOT = Path(__file__).parent.parent
A, B = Layer("a", 2), Layer("b", 3)
MASK = [[True, False, True], [False, True, True]]
TIE = [[0, 1, 0], [2, 1, 0]]


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: Layer("a", 0), "`size` of layer 'a' must be a whole number of at least 1, got 0."),
        (
            lambda: Layer("a", 1, "step"),
            "`activation` of layer 'a' must be one of logistic, tanh, linear, relu",
        ),
        (
            lambda: Connection("a", "b", delay=2),
            "`delay` of connection a -> b must be 0 or 1, got 2.",
        ),
        (
            lambda: Connection("a", "b", tie=[[0, 2]]),
            "`tie` of connection a -> b must use every index from 0 to its largest, got [0, 2].",
        ),
        (lambda: Connection("a", "b", tie=[[-1, 0]]), "from 0 to its largest, got [-1, 0]."),
        (
            lambda: Network([A, B, A], [Connection("a", "b")]),
            "`layers` must have different names, got 'a'.",
        ),
        (
            lambda: Network([A, B], [Connection("a", "b")] * 2),
            "`connections` must have at most one per pair of layers, got ('a', 'b').",
        ),
        (
            lambda: Network([A, B], [Connection("a", "c")]),
            "`connections` must join layers among ['a', 'b'], got 'c'.",
        ),
        (
            lambda: Network([A, B], [Connection("b", "a")]),
            "without delay must go from an earlier to a later layer, got ('b', 'a').",
        ),
        (
            lambda: Network([A, B], [Connection("b", "b")]),
            "without delay must go from an earlier to a later layer, got ('b', 'b').",
        ),
        (
            lambda: Network([A, B], [Connection("a", "b", mask=[[True]])]),
            "`mask` of connection a -> b must have shape (2, 3), got (1, 1).",
        ),
        (
            lambda: Network([A, B], [Connection("a", "b", tie=np.transpose(TIE))]),
            "`tie` of connection a -> b must have shape (2, 3), got (3, 2).",
        ),
        (lambda: Layer("a", 2.5), "`size` of layer 'a' must be a whole number of at least 1"),
        (
            lambda: Layer("a", True),
            "`size` of layer 'a' must be a whole number of at least 1, got True.",
        ),
        (
            lambda: Connection("a", "b", mask=[[0.7, 1.0]]),
            "`mask` of connection a -> b must hold booleans, or 0 and 1, got [[0.7, 1.0]].",
        ),
        (
            lambda: Connection("a", "b", mask=[["no", "0"]]),
            "`mask` of connection a -> b must hold booleans, or 0 and 1, got [['no', '0']].",
        ),
        (
            lambda: Connection("a", "b", mask=[True, False]),
            "`mask` of connection a -> b must be a table with one row per source unit, all of one "
            "length, got [True, False].",
        ),
        (
            lambda: Connection("a", "b", mask=[[True], [True, False]]),
            "`mask` of connection a -> b must be a table with one row per source unit, all of one "
            "length, got [[True], [True, False]].",
        ),
        (
            lambda: Connection("a", "b", tie=[[0.7, 0.2]]),
            "`tie` of connection a -> b must hold whole numbers, got [[0.7, 0.2]].",
        ),
        (
            lambda: Connection("a", "b", tie=[[True, False]]),
            "`tie` of connection a -> b must hold whole numbers, got [[True, False]].",
        ),
        (
            lambda: Connection("a", "b", tie=[[0], [0, 1]]),
            "`tie` of connection a -> b must be a table with one row per source unit",
        ),
        (lambda: Connection("a", "b", tie=3), "`tie` of connection a -> b must be a table"),
        (lambda: Connection("a", "b", tie=[[]]), "`tie` of connection a -> b must be a table"),
        (
            lambda: Network([A, B, Layer("c", 1)], [Connection("a", "c")]),
            "`layers` must not include one without connections, got 'b'.",
        ),
        (layered, "`sizes` must be at least two, from input to output, got ()."),
        (lambda: layered(3), "`sizes` must be at least two, from input to output, got (3,)."),
        (lambda: Network([A, B], []), "`connections` must enter the output layer 'b', got []."),
        (
            lambda: Network([A, B, Layer("c", 1)], [Connection("a", "b")]),
            "`connections` must enter the output layer 'c', got [('a', 'b')].",
        ),
        (
            lambda: Initializer("cauchy"),
            "`distribution` must be one of uniform, normal, range, zero, glorot, he, lecun,",
        ),
        (lambda: Initializer(biases="one"), "`biases` must be 'drawn' or 'zero', got 'one'."),
    ],
)
def test_a_fault_is_named(build, words):
    with pytest.raises(SettingError) as fault:
        build()
    assert words in str(fault.value)


def test_networks_are_equal_by_value():
    def build():
        return Network([A, B], [Connection("a", "b", np.array(MASK), np.array(TIE))])

    assert build() == build()
    assert hash(build()) == hash(build())
    assert build() != Network([A, B], [Connection("a", "b", np.array(MASK))])


def test_numpy_numbers_become_pythons_own():
    layer = Layer("a", np.int64(2))
    connection = Connection("a", "b", np.array(MASK, int), np.array(TIE), np.int64(0))
    assert type(layer.size) is type(connection.delay) is int
    assert connection == Connection("a", "b", MASK, TIE)
    assert {type(entry) for row in connection.mask for entry in row} == {bool}
    assert {type(entry) for row in connection.tie for entry in row} == {int}


def test_a_pickled_network_hashes_as_its_new_home_does():
    network = layered(2, 2, 1)
    assert (hash(network), network.num_in) == (hash(layered(2, 2, 1)), 2)  # now cached
    program = (
        "import pickle, sys; from bpjax.network import layered;"
        "network = pickle.load(sys.stdin.buffer);"
        "sys.exit(not (network == layered(2, 2, 1) and network in {layered(2, 2, 1)}))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    command = [sys.executable, "-c", program]
    subprocess.run(command, input=pickle.dumps(network), env=environment, cwd=ROOT, check=True)


def test_an_input_layer_may_come_late():
    pairs = [("a", "b"), ("b", "d"), ("c", "d")]
    layers = [A, B, Layer("c", 1), Layer("d", 1)]
    network = Network(layers, [Connection(*pair) for pair in pairs])
    assert [layer.name for layer in network.input_layers] == ["a", "c"]


def test_a_layer_that_nothing_enters_shows_the_case():
    network = Network([A, B, Layer("c", 1)], [Connection("a", "c"), Connection("b", "c")])
    assert network.input_layers == (A, B)
    assert (network.num_in, network.num_out) == (5, 1)
    assert network.num_parameters == 2 + 3 + 1
    assert network.describe() == "2+3-1"


def test_describe_names_direct_and_delayed_connections():
    direct = Network(
        layered(2, 1, 1).layers,
        [
            Connection("input", "hidden"),
            Connection("input", "output"),
            Connection("hidden", "output"),
            Connection("hidden", "hidden", delay=1),
        ],
    )
    assert direct.describe() == "2-1-1 with input to output, hidden to hidden (delayed)"


def test_parameters_that_can_change_are_counted():
    def count(**tables):
        return Network([A, B], [Connection("a", "b", **tables)]).num_parameters - B.size

    assert count() == 6
    assert count(mask=MASK) == 4
    assert count(tie=TIE) == 3
    assert count(mask=MASK, tie=TIE) == 2  # tied[2] stands at a masked place only
    assert count(mask=np.zeros((2, 3)), tie=TIE) == 0


def test_weight_matrix_spreads_ties_and_hides_masked_entries():
    connection = Connection("a", "b", MASK, TIE)
    weight = weight_matrix(connection, jnp.array([1.0, 2.0, 3.0]))
    assert weight.tolist() == [[1, 0, 1], [0, 2, 1]]


def test_weight_gradient_of_ties_is_the_sum_over_copies():
    connection = Connection("a", "b", MASK, TIE)
    d_matrix = jnp.array([[1.0, 20.0, 300.0], [4000.0, 5e4, 6e5]])
    assert weight_gradient(connection, d_matrix).tolist() == [600301, 50000, 0]


@pytest.mark.parametrize("mask", [None, MASK])
@pytest.mark.parametrize("tie", [None, TIE])
def test_weight_gradient_is_the_transpose_of_weight_matrix(mask, tie, float64):
    connection = Connection("a", "b", mask, tie)
    rng = np.random.default_rng(0)
    parameter = jnp.asarray(rng.normal(size=Network([A, B], [connection]).weight_shape(connection)))
    d_matrix = jnp.asarray(rng.normal(size=(2, 3)))
    _, transpose = jax.vjp(lambda p: weight_matrix(connection, p), parameter)
    assert_trees_close(weight_gradient(connection, d_matrix), transpose(d_matrix)[0])


def test_flattened_parameters_come_back():
    network = Network([A, B], [Connection("a", "b", tie=TIE)])
    vector = jnp.arange(6.0)
    params = unflatten_params(network, vector)
    assert params.weight["a", "b"].tolist() == [0, 1, 2]
    assert params.bias["b"].tolist() == [3, 4, 5]
    assert flatten_params(network, params).tolist() == vector.tolist()
    assert parameter_names(network)[2:4] == ["a -> b tied[2]", "bias b[0]"]


def test_initial_weights_fill_the_range(dtype):
    network = layered(30, 40, 1)
    for entry in jax.tree.leaves(init_params(network, run_key(0), 0.3, dtype=dtype)):
        assert entry.dtype == dtype
        assert jnp.abs(entry).max() <= jnp.asarray(0.3, dtype)
    drawn = init_params(network, run_key(0), 0.3, dtype=dtype).weight["input", "hidden"]
    assert drawn.min() < -0.295
    assert drawn.max() > 0.295
    assert abs(float(drawn.mean())) < 4 * 0.3 / np.sqrt(3 * 1200)


def test_the_range_and_the_precision_stretch_the_same_draws(float64):
    network = layered(2, 2, 1)
    unit = init_params(network, run_key(3), 1.0, dtype="float64")
    narrow = init_params(network, run_key(3), 0.3, dtype="float64")
    assert_trees_close(narrow, jax.tree.map(lambda entry: 0.3 * entry, unit), tolerance=0)
    single = init_params(network, run_key(3), 1.0, dtype="float32")
    double = jax.tree.map(lambda entry: entry.astype("float64"), single)
    assert_trees_close(double, unit, tolerance=0)


def test_normal_draws_have_the_standard_deviation():
    drawn = init_params(layered(30, 40, 1), run_key(0), 0.3, Initializer("normal"))
    spread = float(jnp.std(drawn.weight["input", "hidden"]))
    assert spread == pytest.approx(0.3, abs=4 * 0.3 / np.sqrt(2 * 1200))


def test_biases_may_start_at_zero_and_leave_the_weights_alone():
    network = layered(2, 2, 1)
    drawn = init_params(network, run_key(1), 0.3)
    zero = init_params(network, run_key(1), 0.3, Initializer(biases="zero"))
    assert_trees_close(zero.weight, drawn.weight, tolerance=0)
    assert all(not entry.any() for entry in zero.bias.values())
    assert all(entry.all() for entry in drawn.bias.values())


def test_masked_entries_start_at_zero():
    network = Network([A, B], [Connection("a", "b", MASK)])
    weight = init_params(network, run_key(0), 0.3).weight["a", "b"]
    assert (np.asarray(weight != 0) == MASK).all()


def test_a_run_key_depends_on_its_seed_alone():
    seeds = [0, 1, 2**31, 2**32 - 1]
    alone = [jax.random.key_data(run_key(np.uint32(seed))).tolist() for seed in seeds]
    assert len(set(map(tuple, alone))) == len(seeds)
    together = jax.vmap(run_key)(jnp.array(seeds, jnp.uint32))
    assert jax.random.key_data(together).tolist() == alone
    with jax.default_prng_impl("rbg"):
        assert jax.random.key_data(run_key(np.uint32(1))).tolist() == alone[1]


def test_copies_of_a_weight_are_added_one_after_the_other_not_scattered():
    """A scatter on a GPU adds in whatever order it comes, and so to other bits every time."""
    connection = Connection("a", "b", tie=[[0, 2, 1], [1, 1, 0], [2, 1, 2]])
    d_matrix = np.random.default_rng(0).normal(size=(3, 3, 5)).astype(np.float32)
    gradient = jax.jit(functools.partial(weight_gradient, connection))
    assert "scatter" not in gradient.lower(d_matrix).as_text()
    d = d_matrix
    expected = [
        d[0, 0] + d[1, 2],
        d[0, 2] + d[1, 0] + d[1, 1] + d[2, 1],
        d[0, 1] + d[2, 0] + d[2, 2],
    ]
    np.testing.assert_array_equal(gradient(d_matrix), expected)
