"""Trains every task and sorts its solutions into classes."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bpjax import printed, tasks
from bpjax.analysis.activations import activations_of
from bpjax.analysis.held_out import mean_share
from bpjax.analysis.solutions import (
    MIRROR_SOLUTIONS,
    EncoderCodes,
    class_in_words,
    count_classes,
    counted_inputs,
    encoder_codes,
    hidden_truth_tables,
    mirror_class,
    mirror_weights,
    truth_table_class,
)
from bpjax.sweeps.host_loop import environment
from bpjax.task import Task
from experiments.solutions.chapter import CASES, COUNTED, FIG_8, TABLE_3, TABLE_5, TABLE_7
from experiments.solutions.runs import Trained, train
from experiments.study import quantiles, share_of

MAX_EPOCHS = 20_000
TOLERANCE = 0.1
LAX_AND_STRICT = 0.5, TOLERANCE
"""Where the chapter gives codes in rounded numbers, the same runs are read at two tolerances."""

NEAR = 0.1
"""Outputs this near to one half, or to their targets, count as there; size ratios of mirror pairs
may be off by this share of themselves."""

PARITY_RANGES = 0.3, 1.0
"""Initial ranges for parity: the library's default, and one from which most runs are solved."""


def compute(num_runs: int, first_seed: int = 0) -> dict[str, Any]:
    """Train the seeds of every task and sort the solutions.

    Args:
      num_runs: number of seeds per task.
      first_seed: the first of them.

    Returns:
      What `results.json` holds.
    """

    def trained(task: Task, tolerance: float = TOLERANCE, **settings: Any) -> Trained:
        settings |= {"tolerance": tolerance, "max_epochs": MAX_EPOCHS}
        return train(task.with_settings(**settings), num_runs, first_seed)

    return {
        "num_runs": num_runs,
        "first_seed": first_seed,
        "max_epochs": MAX_EPOCHS,
        "near": NEAR,
        "xor": _xor(trained(tasks.xor())),
        "xor_direct": _xor_direct(trained(tasks.xor(direct=True))),
        "encoder": {
            "printed": _printed_encoder(),
            "rows": [_encoder(trained(tasks.encoder(), t)) for t in LAX_AND_STRICT],
        },
        "symmetry": _symmetry(trained(tasks.symmetry())),
        "parity": [_parity(trained(tasks.parity(), init_range=r)) for r in PARITY_RANGES],
        "graded_code": {
            "printed": _printed_graded_code(),
            "rows": [_graded_code(trained(tasks.graded_code(), t)) for t in LAX_AND_STRICT],
        },
        "environment": environment(),
    }


def _xor(runs: Trained) -> dict[str, Any]:
    net = printed.xor_local_minimum()
    layers = activations_of(net.task.network, net.vector()[None], net.task.inputs)
    tables = hidden_truth_tables(layers["hidden"])
    as_printed = truth_table_class(tables)[0]
    exchanged = truth_table_class(tables[..., [0, 2, 1, 3]])[0]
    classes = truth_table_class(hidden_truth_tables(runs.hidden))
    alike = (classes == as_printed).all(axis=1) | (classes == exchanged).all(axis=1)
    left_open = _one_side_open(runs.outputs, runs.task.targets)
    unsolved = ~runs.solved
    return runs.about | {
        "solved": _words_of_classes(classes[runs.solved]),
        "unsolved": _words_of_classes(classes[unsolved]),
        "printed": {
            "class": class_in_words(as_printed),
            "inputs_exchanged": class_in_words(exchanged),
            "hidden": dict(zip(CASES, layers["hidden"][0].tolist(), strict=True)),
            "outputs": dict(zip(CASES, layers["output"][0, :, 0].tolist(), strict=True)),
            "one_side_open": bool(_one_side_open(layers["output"], net.task.targets)[0]),
        },
        "unsolved_of_printed_class": _share(alike[unsolved]),
        "unsolved_one_side_open": _share(left_open[unsolved]),
        "unsolved_of_printed_class_one_side_open": _share((alike & left_open)[unsolved]),
    }


def _one_side_open(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Tell whether the two cases that share one input stand at one half, and the others are right.

    That is the printed minimum, up to which input it is and whether it is on.
    """
    open_ = np.abs(outputs[..., 0] - 0.5) < NEAR
    right = np.abs(outputs - targets)[..., 0] < NEAR
    sides = [[False, True, False, True], [False, False, True, True]]
    patterns = [np.array(side) ^ flip for side in sides for flip in (False, True)]
    return np.any([np.where(p, open_, right).all(axis=-1) for p in patterns], axis=0)


def _xor_direct(runs: Trained) -> dict[str, Any]:
    net = printed.xor_direct()
    hidden = activations_of(net.task.network, net.vector()[None], net.task.inputs)["hidden"]
    classes = truth_table_class(hidden_truth_tables(runs.hidden))
    return runs.about | {
        "solved": _words_of_classes(classes[runs.solved]),
        "unsolved": _words_of_classes(classes[~runs.solved]),
        "printed": {"class": class_in_words(truth_table_class(hidden_truth_tables(hidden))[0])},
    }


def _words_of_classes(classes: np.ndarray) -> list[dict[str, Any]]:
    return _counted([class_in_words(codes) for codes in classes])


def _counted(labels: ArrayLike, expected: Iterable[str] = ()) -> list[dict[str, Any]]:
    """Return the classes as rows of a table, most frequent first; none if there are no nets."""
    labels = np.asarray(labels)
    if not labels.size:
        return []
    return [
        {"class": str(name), "num_runs": found.num_runs, **found.share._asdict()}
        for name, found in count_classes(labels, expected).items()
    ]


def _printed_encoder() -> dict[str, Any]:
    return _one_code(encoder_codes([TABLE_5]))


def _one_code(codes: EncoderCodes) -> dict[str, Any]:
    return {
        "corners": int(codes.num_corners[0]),
        "intermediate_values": _num_intermediate(codes)[0],
        "values": int(codes.codes[0].size),
        "distinct": bool(codes.distinct[0]),
    }


def _num_intermediate(codes: EncoderCodes) -> list[int]:
    return (codes.codes == 0.5).sum(axis=(1, 2)).tolist()


def _encoder(runs: Trained) -> dict[str, Any]:
    codes = encoder_codes(runs.hidden[runs.solved])
    intermediate = np.array(_num_intermediate(codes), int)
    as_printed = _printed_encoder()
    return runs.about | {
        "corners": _tally(codes.num_corners, 8),
        "intermediate_values": _tally(intermediate, 24),
        "mean_share_intermediate": _mean(codes.intermediate),
        "some_intermediate": _share(intermediate > 0),
        "as_many_corners_as_printed": _share(codes.num_corners == as_printed["corners"]),
        "fewer_corners_than_printed": _share(codes.num_corners < as_printed["corners"]),
        "all_corners": _share(codes.num_corners == 8),
        "all_codes_distinct": _share(codes.distinct),
    }


def _tally(numbers: np.ndarray, largest: int) -> list[dict[str, Any]]:
    """Return how many runs have each whole number, from 0 to the largest that is possible."""
    return [
        {"value": value, "num_runs": int(np.sum(numbers == value)), **share}
        for value in range(largest + 1)
        if (share := _share(numbers == value))
    ]


def _symmetry(runs: Trained) -> dict[str, Any]:
    into_hidden = runs.weights[runs.solved, :12].reshape(-1, 6, 2).transpose(0, 2, 1)
    if not len(into_hidden):
        return runs.about | {"classes": [], "mirror_antisymmetric": None, "opposite_signs": None}
    mirror = mirror_weights(into_hidden)
    names = mirror_class(mirror.sizes.mean(axis=1), NEAR)
    signs = np.sign(into_hidden)
    return runs.about | {
        "classes": _counted(names, MIRROR_SOLUTIONS),
        "largest_asymmetry": float(mirror.asymmetry.max()),
        "mirror_antisymmetric": _share((mirror.asymmetry < 0.01).all(axis=1)),
        "opposite_signs": _share((signs[:, 0] == -signs[:, 1]).all(axis=1)),
    }


def _parity(runs: Trained) -> dict[str, Any]:
    tables = hidden_truth_tables(runs.hidden[runs.solved])
    flips = counted_inputs(tables)
    counting = flips >= 0
    codes = np.swapaxes(tables[counting], -1, -2)
    num_codes = np.array([len(np.unique(code, axis=0)) for code in codes], int)
    return runs.about | {
        "classes": _counted([COUNTED[n] for n in flips.tolist()], COUNTED.values()),
        "as_printed": _share(flips == 0),
        "counting": _share(counting),
        "counting_as_printed": _share(flips[counting] == 0),
        "counting_each_count_its_code": _share(num_codes == len(TABLE_3)),
    }


def _printed_graded_code() -> dict[str, Any]:
    left, right, bias = FIG_8
    drawn = {case: left * int(case[0]) + right * int(case[1]) + bias for case in CASES}
    return {
        "values": TABLE_7,
        "order": " < ".join(TABLE_7),
        "values_of_drawn_weights": {case: float(1 / (1 + np.exp(-x))) for case, x in drawn.items()},
    }


def _graded_code(runs: Trained) -> dict[str, Any]:
    values = runs.hidden[runs.solved][..., 0]
    orders = _orders(values)
    as_printed = orders == " < ".join(TABLE_7)
    found = values[as_printed]
    turned = found[:, CASES.index("10")] > found[:, CASES.index("01")]
    found = np.where(turned[:, None], 1 - found, found)
    spacing = {}
    for case, figure in TABLE_7.items():
        column = found[:, CASES.index(case)]
        spacing[case] = {
            "printed": figure,
            "quantiles": _quantiles(column),
            "at_or_below_printed": _share(column <= figure),
        }
    return runs.about | {
        "orders": _counted(orders, _all_orders()),
        "printed_order": _share(as_printed),
        "spacing": spacing,
    }


def _orders(values: np.ndarray) -> np.ndarray:
    """Name the order of the four values of each run; an order and its reverse are one."""
    order = np.argsort(values, axis=1)
    backwards = _rank(order[:, 0]) > _rank(order[:, -1])
    order = np.where(backwards[:, None], order[:, ::-1], order)
    return np.array([" < ".join(CASES[case] for case in row) for row in order], dtype="<U17")


def _rank(case: np.ndarray) -> np.ndarray:
    """Write an order from the end whose left input is on, as Table 7 does; ties from 00."""
    return np.array([2, 3, 0, 1])[case]


def _all_orders() -> list[str]:
    """Return the orders that a unit with two weights can have, up to reversal."""
    weights = [(-2, 1), (2, 1), (-1, 2), (1, 2)]
    sums = [[left * int(c[0]) + right * int(c[1]) for c in CASES] for left, right in weights]
    return sorted(set(_orders(np.array(sums)).tolist()))


def _share(holds: ArrayLike) -> dict[str, Any] | None:
    """Return the share with its Wilson interval; None of nothing."""
    found = np.asarray(holds, bool)
    return share_of(found) if found.size else None


def _mean(shares: np.ndarray) -> dict[str, Any] | None:
    return mean_share(shares)._asdict() if len(shares) else None


def _quantiles(values: np.ndarray) -> dict[str, float] | None:
    return quantiles(values) if len(values) else None
