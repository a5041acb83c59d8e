"""A closer look at one recipe: when it solves its runs, and what their person units represent."""

import dataclasses
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bpjax.analysis.activations import activations_of
from bpjax.analysis.convergence import summarize_runs
from bpjax.analysis.representations import (
    feature_shares,
    twin_distance,
    variance_explained,
    without_best_unit,
)
from bpjax.status import Status
from bpjax.task import Task
from bpjax.tasks.family_trees import PEOPLE, person_features
from experiments.family_trees.measures import answered_right, answers, train, which_are_trained
from experiments.family_trees.recipes import CAP, LONG_CAP, Cell
from experiments.study import Result, mean_over_runs, share_of

PURE = 0.8
"""Share of a unit's variance above which it says little else."""
TWINS = np.roll(np.arange(len(PEOPLE)), len(PEOPLE) // 2)


def look_at(best: Cell, runs: int, folder: Path | None) -> Result:
    """Train the best recipe to its solutions, and on to the printed number of epochs."""
    task = dataclasses.replace(best, cap=LONG_CAP).task()
    solving = train([task], runs, folder)
    by_printed = (solving["status"] == Status.CONVERGED) & (solving["epochs"] <= CAP)
    by_500 = (solving["status"] == Status.CONVERGED) & (solving["epochs"] <= 500)
    # No answer is ever so exact: every run is trained for as long as the paper's was.
    task = best.task().with_settings(tolerance=1e-6)
    trained_on = train([task], runs, folder)
    weights, trained = trained_on["weights"], which_are_trained(runs)
    right = (answered_right(task, weights) | ~trained).all(axis=1)
    first = solving["weights"][by_printed]
    summary = summarize_runs(solving["status"], solving["epochs"])
    record: dict[str, Any] = {
        "words": best.words(),
        "runs": runs,
        "solved_by_printed": share_of(by_printed),
        "solved_by_500": share_of(by_500),
        "solved_by_long_cap": summary["success_rate"],
        "long_cap": LONG_CAP,
        "epochs": summary["epochs"],
        "right_at_printed": share_of(right),
        "held_out_when_solved": answers(task, trained[by_printed], first)
        if by_printed.any()
        else None,
        "held_out_at_printed": answers(task, trained[right], weights[right])
        if right.any()
        else None,
    }
    codes = person_codes(task, weights[right])
    arrays: dict[str, np.ndarray] = {}
    if len(codes):
        record["code"] = measure_codes(codes)
        epochs = solving["epochs"][right].astype(float)
        typical = int(np.argmin(np.abs(epochs - np.median(epochs))))
        record["shown"] = {
            "seed": int(trained_on["seed"][right][typical]),
            "epochs": int(epochs[typical]),
            **_in_order(codes[typical], record["code"]["features"]),
        }
        shown = weights[right][typical][: len(PEOPLE) * 6].reshape(len(PEOPLE), 6)
        arrays["shown_weights"] = shown[:, record["shown"]["units"]].T.astype(float)
    return Result(record, arrays)


def person_codes(task: Task, weights: np.ndarray) -> np.ndarray:
    """Return what the six person units do for each person, shape (num_runs, 24, 6)."""
    shown = np.eye(len(PEOPLE), task.network.num_in)
    return activations_of(task.network, weights, shown)["person 1 code"]


def measure_codes(codes: np.ndarray) -> dict[str, Any]:
    """Return in how many nets the units code what the paper saw, and how near twins are."""
    features = person_features()
    shares = feature_shares(codes, features)
    by_unit = {name: variance_explained(codes, labels) for name, labels in features.items()}
    found = np.stack([by_unit[name] > shares[name].threshold for name in features], axis=1)
    places = np.array(list(itertools.permutations(range(codes.shape[2]), len(features))))
    each = found[:, np.arange(len(features)), places]  # (runs, ways to give each its own unit, 3)
    apart = twin_distance(codes, TWINS)
    rest = twin_distance(without_best_unit(codes, features["nationality"]), TWINS)
    return {
        "nets": len(codes),
        "features": {
            name: {
                "found": share.found._asdict(),
                "threshold": share.threshold,
                "chance": share.chance,
                "median": share.median,
                "pure": share_of(by_unit[name].max(axis=1) > PURE),
            }
            for name, share in shares.items()
        },
        "each_by_a_unit_of_its_own": share_of(np.any(each.all(axis=2), axis=1)),
        "twin_distance": mean_over_runs(apart),
        "twin_distance_without_nationality": mean_over_runs(rest),
        "twins_nearer": share_of(rest < 1),
    }


def _in_order(code: np.ndarray, features: Mapping[str, Any]) -> dict[str, Any]:
    """Return the units of one net in the paper's order: nationality, generation, ..., branch."""
    explained = {n: variance_explained(code, labels) for n, labels in person_features().items()}
    ways = itertools.permutations(range(code.shape[1]), len(explained))
    own = max(ways, key=lambda way: sum(e[u] for e, u in zip(explained.values(), way, strict=True)))
    nationality, generation, branch = own
    others = [unit for unit in range(code.shape[1]) if unit not in own]
    names = dict(zip(own, explained, strict=True))
    units = [nationality, generation, *others, branch]
    titles = []
    for unit in units:
        name = names.get(unit, "")
        share = explained[name][unit] if name else 0.0
        found = name and share > features[name]["threshold"]
        titles.append(f"{name}: {100 * share:.0f} % of its variance" if found else "")
    return {"units": units, "titles": titles}
