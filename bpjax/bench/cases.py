"""The cases of the bench as tasks: three of the paper's, and a net of the family trees' size."""

import numpy as np

from bpjax.connections import Connection, Layer
from bpjax.network import Network
from bpjax.recipe import Recipe
from bpjax.task import Task
from bpjax.tasks import make_task

NUM_PEOPLE, NUM_RELATIONS, NUM_CASES = 24, 12, 104
CASES_SEED = 1986


def case_task(name: str) -> Task:
    """Return the task of a case in `bpjax.bench.sizes.CASES`, with its own recipe.

    Example:
      >>> [case_task(name).num_cases for name in ("xor", "encoder", "symmetry", "family")]
      [4, 8, 64, 104]
    """
    return family() if name == "family" else make_task(name)


def family() -> Task:
    """Return a task as large as the paper's family trees (Fig. 4), with made-up facts.

    Each case shows one of 24 people and one of 12 relations and asks for one person. The pairs
    are distinct and the answers are drawn at random, so it measures time and teaches nothing.

    Example:
      >>> task = family()
      >>> task.network.num_parameters, task.inputs.shape, int(task.targets.sum())
      (630, (104, 36), 104)
    """
    random = np.random.default_rng(CASES_SEED)
    pairs = random.choice(NUM_PEOPLE * NUM_RELATIONS, size=NUM_CASES, replace=False)
    answers = random.integers(NUM_PEOPLE, size=NUM_CASES)
    people, relations = np.divmod(pairs, NUM_RELATIONS)
    inputs = np.hstack([np.eye(NUM_PEOPLE)[people], np.eye(NUM_RELATIONS)[relations]])
    return Task(
        name="family",
        title="as large as the family trees, 36-12-12-6-24, with random answers",
        options={},
        network=_family_network(),
        inputs=inputs,
        targets=np.eye(NUM_PEOPLE)[answers],
        recipe=Recipe(learning_rate=0.01, momentum=0.9, init_range=0.3),
        source="sizes of Rumelhart, Hinton & Williams, Nature 323 (1986), Fig. 4",
        open_choices="Not the paper's facts: the answers are random.",
    )


def _family_network() -> Network:
    layers = [
        Layer("person", NUM_PEOPLE),
        Layer("relation", NUM_RELATIONS),
        Layer("person_code", 6),
        Layer("relation_code", 6),
        Layer("centre", 12),
        Layer("answer_code", 6),
        Layer("answer", NUM_PEOPLE),
    ]
    pairs = [
        ("person", "person_code"),
        ("relation", "relation_code"),
        ("person_code", "centre"),
        ("relation_code", "centre"),
        ("centre", "answer_code"),
        ("answer_code", "answer"),
    ]
    return Network(layers, [Connection(*pair) for pair in pairs])
