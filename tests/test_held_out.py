"""Answers to cases that a run was not trained on."""

import dataclasses

import numpy as np
import pytest

import bpjax
from bpjax.analysis.held_out import held_out_answers
from bpjax.epoch import trained_by
from bpjax.errors import SettingError
from bpjax.network import parameter_names


def test_answers_are_those_of_the_network():
    """One unit that says whether the first of two inputs is on, by hand."""
    task = dataclasses.replace(bpjax.tasks.xor(hidden=1, direct=True), held_out=(1, 3))
    names = parameter_names(task.network)
    weights = np.zeros((2, len(names)))
    weights[:, names.index("input[0] -> output[0]")] = 10
    weights[:, names.index("bias output[0]")] = -5
    weights[1] *= -1  # the second run says the opposite
    trained = np.array([[True, False, True, False]] * 2)
    answers = held_out_answers(task, trained, weights)
    assert answers.case.tolist() == [[1, 3], [1, 3]]
    # Wanted is 1 for 01 and 0 for 11.
    assert answers.right.tolist() == [[False, False], [True, True]]
    assert answers.right_units.tolist() == [[0, 0], [1, 1]]


def test_every_run_is_asked_its_own_cases():
    task = dataclasses.replace(bpjax.tasks.encoder(), held_out=2)
    runs = bpjax.sweep(task, 40, keep_weights=True, max_epochs=300)
    trained = trained_by(task, runs["seed"])
    answers = held_out_answers(task, trained, runs["weights"])
    assert all(not trained[run, case] for run, cases in enumerate(answers.case) for case in cases)
    run = bpjax.train(task, 7, max_epochs=300)
    assert run.history.num_held_out_right[-1] == answers.right[7].sum()
    assert len({tuple(cases) for cases in answers.case}) > 10


@pytest.mark.parametrize(
    ("held_out", "trained"), [(0, np.ones((1, 4), bool)), (1, np.ones((1, 4), bool))]
)
def test_there_must_be_something_to_ask(held_out, trained):
    task = dataclasses.replace(bpjax.tasks.xor(), held_out=held_out)
    with pytest.raises(SettingError, match="must leave"):
        held_out_answers(task, trained, np.zeros((1, 9)))
