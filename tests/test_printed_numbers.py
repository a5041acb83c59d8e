"""Printed numbers of thirty years, each to its last digit.

Public programs, textbooks and questions printed what back-propagation made of weights that they
printed too. Facts only; none of their code is here.
"""

import numpy as np
import pytest

import bpjax
from bpjax.params import parameter_names
from bpjax.status import Status

XOR = bpjax.tasks.xor()


def watched(task, weights, epochs, **settings):
    """Train one run in float64 and return its weights after every epoch, by name."""
    run = bpjax.train(
        task,
        0,
        initializer=bpjax.Start(weights),
        precision="float64",
        snapshot_every=1,
        max_epochs=epochs,
        loss_below=1e-12,
        **settings,
    )
    return [
        dict(zip(parameter_names(task.network), row.tolist(), strict=True))
        for row in run.snapshots.weights
    ]


def test_a_homework_where_all_weights_are_six_tenths():
    """Stack Overflow, question 2359571: weights change after every case; biases negated."""
    rows = watched(XOR, [0.6] * 6 + [-0.6] * 3, 3, updates="case", learning_rate=0.1, momentum=0.0)
    wanted = ["bias hidden[0]", "input[0] -> hidden[0]", "input[1] -> hidden[0]",
              "bias output[0]", "hidden[0] -> output[0]"]  # fmt: skip
    found = [[abs(row[name]) for name in wanted] for row in rows[1:]]
    printed = [
        [0.599691, 0.599987, 0.599985, 0.599864, 0.599712],
        [0.599382, 0.599973, 0.59997, 0.599726, 0.599425],
        [0.599072, 0.59996, 0.599956, 0.599587, 0.599139],
    ]
    np.testing.assert_allclose(found, printed, rtol=0, atol=1e-6)


def test_the_worked_example_of_a_textbook_on_data_mining():
    """Han & Kamber: one case, one change."""
    network = bpjax.layered(3, 2, 1)
    task = bpjax.Task(
        name="data-mining",
        title="one case",
        options={},
        network=network,
        inputs=np.array([[1.0, 0.0, 1.0]]),
        targets=np.array([[1.0]]),
        recipe=bpjax.Recipe(learning_rate=0.9, momentum=0.0),
        source="Han & Kamber",
    )
    weights = [0.2, -0.3, 0.4, 0.1, -0.5, 0.2, -0.3, -0.2, -0.4, 0.2, 0.1]
    _, after = watched(task, weights, 1)
    printed = [0.192, -0.306, 0.4, 0.1, -0.508, 0.194, -0.261, -0.138, -0.408, 0.194, 0.218]
    np.testing.assert_allclose(list(after.values()), printed, rtol=0, atol=6e-4)
    params = bpjax.params.unflatten_params(network, np.array(weights, np.float32))
    activations = bpjax.forward(network, params, task.inputs)
    found = [*activations["hidden"][0].tolist(), float(activations["output"][0, 0])]
    np.testing.assert_allclose(found, [0.332, 0.525, 0.474], rtol=0, atol=6e-4)


def public_start(seed):
    rng = np.random.default_rng(seed)
    to_hidden, hidden_bias = rng.random((2, 2)) - 0.5, rng.random(2) - 0.5
    to_output, output_bias = rng.random((1, 2)) - 0.5, rng.random(1) - 0.5
    return np.concatenate([to_hidden.T.ravel(), to_output.T.ravel(), hidden_bias, output_bias])


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_thirty_public_starts_of_exclusive_or(precision):
    """cybertronai/hinton-problems: NumPy draws the starts; rate 0.5 on the mean over four cases."""
    found = bpjax.sweep(
        XOR,
        30,
        initializer=bpjax.Start(np.stack([public_start(seed) for seed in range(30)])),
        learning_rate=0.5 / 4,
        momentum=0.9,
        max_epochs=5000,
        tolerance=0.5,
        precision=precision,
    )
    solved = found["epochs"][found["status"] == Status.CONVERGED]
    assert len(solved) == 25
    assert np.median(solved) == 730
    assert (solved.min(), solved.max()) == (474, 2489)
    assert (found["epochs"][0], found["epochs"][3]) == (1393, 531)


def test_how_often_a_small_library_solves_exclusive_or_in_its_own_test():
    """codeplea/genann, issue 46: two of ten, said its users."""
    rate = bpjax.sweep(
        XOR, 20_000, updates="case", learning_rate=3.0, momentum=0.0, init_range=0.5, max_epochs=300
    ).summary()["success_rate"]
    assert 0.378 <= rate["estimate"] <= 0.397
