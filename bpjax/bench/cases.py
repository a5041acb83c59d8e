"""The cases of the bench as tasks: three of the paper's, larger nets, and what a user brings."""

import math

import numpy as np

from bpjax.bench.sizes import Size
from bpjax.connections import Connection, Layer
from bpjax.experiment.makers import read_task
from bpjax.network import Network
from bpjax.recipe import Recipe
from bpjax.task import Task

NUM_PEOPLE, NUM_RELATIONS, NUM_CASES = 24, 12, 104
CASES_SEED = 1986


def case_task(name: str) -> Task:
    """Return the task of a case, with its own recipe.

    Args:
      name: of a case in `bpjax.bench.sizes`; or what names a task elsewhere: `FILE.toml`,
        `FILE.py:NAME`, or a name of `bpjax.tasks.TASKS`.

    Raises:
      SettingError: for another word, or a file that breaks a rule.

    Example:
      >>> [case_task(name).num_cases for name in ("xor", "encoder", "symmetry", "family")]
      [4, 8, 64, 104]
    """
    made_up = {"family": family, "iris": iris, "spirals": spirals, "digits": digits}
    return made_up[name]() if name in made_up else read_task(name)


STEPS_OF_A_TURN = 3e8
"""Cases times weights of all epochs: the cases of `bpjax.bench.sizes` have about so many."""


def good_size(task: Task) -> Size:
    """Return how large a task of a user's own is run, by the measure of those in `sizes`.

    Example:
      >>> good_size(family())
      Size(runs=128, our_runs=128, epochs=33, numpy_runs=32, check_runs=32, block_size=None)
      >>> good_size(digits())
      Size(runs=16, our_runs=16, epochs=4, numpy_runs=4, check_runs=16, block_size=None)
    """
    seed_epochs = STEPS_OF_A_TURN / (task.num_cases * task.network.num_parameters)
    epochs = int(min(max(math.sqrt(seed_epochs / 4), 2), 1000))
    runs = 2 ** round(math.log2(min(max(seed_epochs / epochs, 8), 16_384)))
    return Size(runs, min(runs, 512), epochs, max(runs // 4, 1), min(runs, 32))


def iris() -> Task:
    """Return a task as large as Fisher's iris flowers, 4-8-3 with 150 cases; they are made up.

    Example:
      >>> iris().network.describe(), iris().num_cases
      ('4-8-3', 150)
    """
    return _blobs("iris", 150, 4, 8, 3)


def digits() -> Task:
    """Return a task as large as 1,797 digits of 8 x 8 pixels, 64-32-10; they are made up.

    Example:
      >>> digits().network.describe(), digits().num_cases
      ('64-32-10', 1797)
    """
    return _blobs("digits", 1797, 64, 32, 10)


def _blobs(name: str, num_cases: int, num_in: int, num_hidden: int, num_kinds: int) -> Task:
    """Return the task of telling kinds apart, each a cloud of points around a middle."""
    random = np.random.default_rng(CASES_SEED)
    kinds = np.arange(num_cases) % num_kinds
    middles = random.normal(size=(num_kinds, num_in))
    return Task.from_arrays(
        middles[kinds] + random.normal(size=(num_cases, num_in)),
        np.eye(num_kinds)[kinds],
        num_hidden,
        name=name,
        learning_rate=1 / num_cases,
        momentum=0.9,
    )


def spirals() -> Task:
    """Return the two spirals, three turns each, 2-20-20-1 with 194 cases.

    Source: K. J. Lang and M. J. Witbrock, "Learning to tell two spirals apart", Proc. 1988
    Connectionist Models Summer School; there the net has connections that skip layers.

    Example:
      >>> spirals().network.describe(), spirals().num_cases
      ('2-20-20-1', 194)
    """
    step = np.arange(97)
    radius, angle = 6.5 * (104 - step) / 104, step * np.pi / 16
    points = (radius * np.array([np.sin(angle), np.cos(angle)])).T
    inputs, targets = np.concatenate([points, -points]), np.repeat([1.0, 0.0], len(step))
    return Task.from_arrays(
        inputs, targets, (20, 20), name="spirals", learning_rate=0.002, momentum=0.9
    )


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
