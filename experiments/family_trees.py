"""Family trees, settled: which reading of the printed recipe learns, and how far off it is.

The paper prints most of a recipe for the family trees and leaves the rest open; independent
re-implementations could not train the net with it. Here every open choice and the printed numbers
are swept, each over many seeds, with four cases held out per run as in the paper. A run is solved
when all 100 pairs that it is trained on are right (every output unit nearer than 0.5 to its
target), within the printed 1,500 epochs.

    python -m experiments.family_trees

makes the published folder, experiments/results/family_trees, with 200 runs of each recipe (100
where weights change after every case, and of 5,000 epochs) and 1,000 of the best; `--runs 20` is a
quick look, kept in results/family_trees-20. Finished runs are kept under sweeps/ in that folder.
"""

import dataclasses
import functools
import itertools
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from bpjax import tasks, use_all_cpu_cores
from bpjax.analysis.activations import activations_of
from bpjax.analysis.convergence import success_rate, summarize_runs
from bpjax.analysis.held_out import held_out_answers
from bpjax.analysis.representations import (
    feature_shares,
    twin_distance,
    variance_explained,
    without_best_unit,
)
from bpjax.epoch import trained_by
from bpjax.errors import SettingError
from bpjax.learning import Schedule
from bpjax.plots import new_axes, save_figure, unit_panels
from bpjax.plots.style import BLUE, ORANGE, VERMILLION
from bpjax.status import Status
from bpjax.sweeps.plan import make_plan
from bpjax.sweeps.run import environment, run_plan
from bpjax.sweeps.store import fingerprint
from bpjax.task import Task
from bpjax.tasks.family_trees import PAIRS, PEOPLE, person_features
from experiments.study import parser_for, percent, quartiles, results_folder

PUBLISHED_RUNS = 200
CAP = 1500
LONG_CAP = 5000
HELD_OUT = 4
WORKS = 0.5
"""A recipe works if it solves at least this share of its runs."""
PURE = 0.8
"""Share of a unit's variance above which it says little else."""
TWINS = np.roll(np.arange(len(PEOPLE)), len(PEOPLE) // 2)


@dataclasses.dataclass(frozen=True)
class Cell:
    """One recipe; the defaults are the printed one, with the usual reading of what is open.

    Attributes:
      rate: factor on the printed learning rates, 0.005 for 20 epochs and 0.01 then.
      momentum: after 20 epochs; before it is 0.5.
      decay: share of every weight lost after each change.
      measured_from: "target" or "margin", see `bpjax.MarginSquaredError`.
      init_range: half-width of the initial weights.
      scope: what the margin forgives, a "unit" or a "case"; "none": there is no margin.
      bias: whether units have biases.
      decay_biases: whether these decay.
      decay_from: the epoch after which weights decay: 0 or 20.
      updates: "batch" or "case".
      cap: epochs after which a run is given up.
    """

    rate: float = 1
    momentum: float = 0.9
    decay: float = 0.002
    measured_from: str = "target"
    init_range: float = 0.3
    scope: str = "unit"
    bias: bool = True
    decay_biases: bool = True
    decay_from: int = 0
    updates: str = "batch"
    cap: int = CAP

    def task(self) -> Task:
        """Return the task that trains this recipe; its name is an option of its own."""
        early, late = 0.005 * self.rate, 0.01 * self.rate
        first = 0.0 if self.decay_from else self.decay
        task = tasks.family_trees(
            recipe="printed",
            bias=self.bias,
            loss="squared" if self.scope == "none" else "margin",
            measured_from=self.measured_from,
            scope="unit" if self.scope == "none" else self.scope,
            held_out=HELD_OUT,
        ).with_settings(
            learning_rate=Schedule((early, late), (20,)),
            momentum=Schedule((0.5, self.momentum), (20,)),
            weight_decay=Schedule((first, self.decay), (20,)),
            init_range=self.init_range,
            decay_biases=self.decay_biases,
            updates=self.updates,
            max_epochs=self.cap,
        )
        return dataclasses.replace(task, options={**task.options, "cell": self.words()})

    def words(self) -> str:
        """Say how this recipe differs from the printed one."""
        words = [*self.numbers_changed(), *self.choices_changed()]
        return ", ".join(words) or "as printed"

    def numbers_changed(self) -> list[str]:
        """Return the printed numbers that differ, in words."""
        found = [f"rate x{self.rate:g}"] if self.rate != 1 else []
        found += [f"momentum {self.momentum:g}"] if self.momentum != PRINTED.momentum else []
        if self.decay != PRINTED.decay:
            found.append(f"decay {self.decay:g}" if self.decay else "no decay")
        return found

    def choices_changed(self) -> list[str]:
        """Return the open choices that differ from the usual reading, in words."""
        found = {
            "error from the margin": self.measured_from == "margin",
            f"weights in +-{self.init_range:g}": self.init_range != PRINTED.init_range,
            "margin for whole cases": self.scope == "case",
            "no margin": self.scope == "none",
            "no biases": not self.bias,
            "biases do not decay": not self.decay_biases,
            f"decay from epoch {self.decay_from}": self.decay_from != 0,
            "weights change after every case": self.updates == "case",
        }
        return [words for words, differs in found.items() if differs]

    def factors(self) -> list[float]:
        """Return by which factor each changed number differs; momentum by 1 / (1 - momentum)."""
        ratios = [
            self.rate,
            (1 - PRINTED.momentum) / (1 - self.momentum),
            self.decay / PRINTED.decay,
        ]
        ratios = [max(r, 1 / r) if r else float("inf") for r in ratios]
        return [ratio for ratio in ratios if abs(ratio - 1) > 1e-9]

    def distance(self) -> tuple[float, ...]:
        """Return how far from the printed recipe: numbers changed, by what factor, choices."""
        return len(self.factors()), float(np.prod(self.factors())), len(self.choices_changed())


PRINTED = Cell()


def variations(start: Cell) -> list[Cell]:
    """Return `start`, and every recipe that takes one open choice or number otherwise."""
    other: list[dict[str, Any]] = [
        *({"rate": rate} for rate in (1, 2, 5)),
        *({"momentum": momentum} for momentum in (0.9, 0.95)),
        *({"decay": each} for each in (0.002, 0.0002, 0.0)),
        *({"measured_from": place} for place in ("target", "margin")),
        *({"init_range": width} for width in (0.3, 1.0, 1.4)),
        {"measured_from": "target", "scope": "case"},
        {"measured_from": "target", "scope": "none"},
        {"bias": False},
        {"decay_biases": False},
        {"decay_from": 20},
        {"updates": "case"},
        {"updates": "case", "decay": start.decay / 100},
    ]
    return list(dict.fromkeys([start, *(dataclasses.replace(start, **each) for each in other)]))


def factorial() -> list[Cell]:
    """Return every combination of what matters most."""
    points = itertools.product(
        ("target", "margin"), (0.3, 1.0, 1.4), (0.002, 0.0002, 0.0), (1, 2, 5), (0.9, 0.95)
    )
    return [
        Cell(measured_from=place, init_range=width, decay=decay, rate=rate, momentum=momentum)
        for place, width, decay, rate, momentum in points
    ]


def longer() -> list[Cell]:
    """Return the recipes that are followed to `LONG_CAP`, to see whether they only need longer."""
    margin, wide, still = {"measured_from": "margin"}, {"init_range": 1.0}, {"decay": 0.0}
    chosen: list[dict[str, Any]] = [
        {},
        still,
        wide,
        wide | still,
        margin,
        margin | still,
        margin | wide,
        margin | wide | still,
        margin | wide | {"momentum": 0.95},
        margin | wide | {"momentum": 0.95, "rate": 2},
    ]
    return [Cell(**each, cap=LONG_CAP) for each in chosen]


# ---- training and measuring ----------------------------------------------------------------------


def compute(
    num_runs: int,
    best_runs: int | None = None,
    folder: Path | None = None,
    cells: Sequence[Cell] | None = None,
    tell: Callable[[str], None] = lambda words: None,
) -> dict[str, Any]:
    """Train every recipe, find the best and look at what it learns.

    Args:
      num_runs: seeds per recipe; half as many where weights change after every case, or the cap is
        `LONG_CAP`.
      best_runs: seeds of the best recipe; five times as many unless given.
      folder: where finished runs are kept; None keeps nothing.
      cells: recipes instead of all (and then no steps away from the best).
      tell: is told what is done.

    Returns:
      Under "record" what `results.json` holds, under "arrays" what the figures need.
    """
    first = [*variations(PRINTED), *factorial(), *longer()] if cells is None else cells
    rows = _measure_all(first, num_runs, folder, tell)
    best = choose_best(rows)
    tell(f"the best: {best.words()}")
    # Changes after every case take fifteen times as long: only the printed recipe is given them.
    steps = [cell for cell in variations(best) if cell.updates == "batch"]
    if cells is None:
        rows |= _measure_all([cell for cell in steps if cell not in rows], num_runs, folder, tell)
    with_decay = {cell: row for cell, row in rows.items() if cell.decay == PRINTED.decay}
    kept = choose_best(with_decay) if with_decay else best
    looks = {
        why: _look_at(cell, best_runs or 5 * num_runs, folder)
        for why, cell in (("of all", best), ("with the printed decay", kept))
        if why == "of all" or cell != best
    }
    tell(f"looked at it, and at the best with the printed decay: {kept.words()}")
    record = {
        "num_runs": num_runs,
        "cap": CAP,
        "rows": [_described(cell) | row for cell, row in rows.items()],
        "one_at_a_time": [cell.words() for cell in variations(PRINTED) if cell in rows],
        "factorial": [cell.words() for cell in factorial() if cell in rows],
        "steps": [cell.words() for cell in steps if cell in rows],
        "best": best.words(),
        "nearest": nearest(rows),
        "ladder": ladder(rows),
        "chance": chance(num_runs),
        "best_with_decay": kept.words(),
        "looked_at": [{"why": why} | look["record"] for why, look in looks.items()],
        "environment": environment(),
    }
    *_, last = looks.values()
    return {"record": record, "arrays": last["arrays"]}


def _described(cell: Cell) -> dict[str, Any]:
    numbers, _, choices = cell.distance()
    factor = float(np.prod([each for each in cell.factors() if np.isfinite(each)]))
    return {
        "words": cell.words(),
        **dataclasses.asdict(cell),
        "distance": {
            "numbers": numbers,
            "factor": factor,
            "no_decay": not cell.decay,
            "choices": choices,
        },
    }


def _measure_all(
    cells: Iterable[Cell], num_runs: int, folder: Path | None, tell: Callable[[str], None]
) -> dict[Cell, dict[str, Any]]:
    cells = list(dict.fromkeys(cells))
    by_sweep: dict[tuple[Any, ...], list[Cell]] = {}
    for cell in cells:
        by_sweep.setdefault((cell.bias, cell.updates, cell.cap), []).append(cell)
    found = {}
    for same in by_sweep.values():
        began = time.perf_counter()
        # Recipes that share a compiled program stand together.
        same.sort(key=lambda c: (c.measured_from, c.scope, c.decay_biases))
        is_slow = same[0].updates == "case" or same[0].cap > CAP
        runs = max(num_runs // 2, 1) if is_slow else num_runs
        result = _train([cell.task() for cell in same], runs, folder)
        for k, cell in enumerate(same):
            part = slice(k * runs, (k + 1) * runs)
            columns = {n: result[n][part] for n in ("seed", "status", "epochs", "weights")}
            found[cell] = measure(cell.task(), columns)
        tell(f"{len(same)} recipes, {time.perf_counter() - began:.0f} s: {same[0].words()} ...")
    return {cell: found[cell] for cell in cells}


@functools.cache
def which_are_trained(runs: int) -> np.ndarray:
    """Return which cases the runs from seed 0 are trained on; every recipe draws the same."""
    return trained_by(tasks.family_trees(held_out=HELD_OUT), np.arange(runs))


def _train(variants: list[Task], runs: int, folder: Path | None) -> Any:
    plan = make_plan(variants, runs, keep_weights=True)
    out = None if folder is None else folder / "sweeps" / fingerprint(plan.identity())[:12]
    return run_plan(plan, out)


def measure(task: Task, columns: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return what the runs of one recipe show."""
    status, epochs, weights = columns["status"], columns["epochs"], columns["weights"]
    summary = summarize_runs(status, epochs)
    trained = which_are_trained(len(status))
    right = (_answered_right(task, weights) & trained).sum(axis=1)
    solved = status == Status.CONVERGED
    by_printed = solved & (epochs <= CAP)
    return {
        "runs": len(status),
        "solved": summary["success_rate"],
        "solved_by_printed": _share(by_printed),
        "nonfinite": summary["nonfinite"],
        "epochs": summary["epochs"],
        "pairs_right": {q: float(np.percentile(right, p)) for q, p in _PERCENTILES.items()},
        "nearly": _share(right >= 96),
        "held_out": answers(task, trained[solved], weights[solved]) if solved.any() else None,
        "weight_rms": float(np.median(np.sqrt(np.mean(weights.astype(float) ** 2, axis=1)))),
    }


_PERCENTILES = {"q10": 10, "median": 50, "q90": 90}


def _answered_right(task: Task, weights: np.ndarray) -> np.ndarray:
    outputs = activations_of(task.network, weights, task.inputs)["person 2"]
    return (np.abs(outputs - task.targets) < 0.5).all(axis=2)


def answers(task: Task, trained: np.ndarray, weights: np.ndarray) -> dict[str, Any]:
    """Return how runs answer their held-out cases; runs, not answers, are counted."""
    right = held_out_answers(task, trained, weights).right
    wrong = (~right).sum(axis=1)
    return {
        "runs": len(right),
        "right": _mean(right.mean(axis=1)),
        "all_right": _share(wrong == 0),
        "at_most_one_wrong": _share(wrong <= 1),
    }


def chance(num_runs: int) -> dict[str, float]:
    """Return what answering without knowing the person gets right of the held-out cases.

    "person" names one of the 24 people at random; "relation" gives the answer that is most
    frequent, among the trained cases, for the relation that is asked (one of them, if several are).
    """
    task = tasks.family_trees(held_out=HELD_OUT)
    relation = np.array([question for _, question in PAIRS])
    shares = []
    for trained in which_are_trained(num_runs):
        for case in np.flatnonzero(~trained):
            shown = task.targets[trained & (relation == relation[case])]
            kinds, count = np.unique(shown, axis=0, return_counts=True)
            likely = kinds[count == count.max()]
            shares.append(np.mean((likely == task.targets[case]).all(axis=1)))
    one_answer = task.targets.sum(axis=1) == 1
    return {"person": float(one_answer.mean() / len(PEOPLE)), "relation": float(np.mean(shares))}


def choose_best(rows: Mapping[Cell, Mapping[str, Any]]) -> Cell:
    """Return the recipe nearest to the printed one among those that solve most runs.

    A recipe is among those if the 95 % interval of its share reaches the largest share.
    """
    short = {cell: row["solved"] for cell, row in rows.items() if cell.cap == CAP}
    most = max(solved["estimate"] for solved in short.values())
    return min(
        (cell for cell, solved in short.items() if solved["high"] >= most - 1e-9),
        key=lambda cell: (*cell.distance(), -short[cell]["estimate"]),
    )


def nearest(rows: Mapping[Cell, Mapping[str, Any]]) -> str | None:
    """Return the recipe nearest to the printed one that works; None if none does."""
    works = [c for c, row in rows.items() if c.cap == CAP and row["solved"]["estimate"] >= WORKS]
    return min(works, key=Cell.distance).words() if works else None


def ladder(rows: Mapping[Cell, Mapping[str, Any]]) -> list[str]:
    """Return the recipe that solves most among those with 0, 1, 2, ... changed numbers."""
    best: dict[int, Cell] = {}
    for cell in sorted((cell for cell in rows if cell.cap == CAP), key=Cell.distance):
        number = len(cell.factors())
        share = rows[cell]["solved"]["estimate"]
        if number not in best or share > rows[best[number]]["solved"]["estimate"]:
            best[number] = cell
    return [cell.words() for _, cell in sorted(best.items())]


def _look_at(best: Cell, runs: int, folder: Path | None) -> dict[str, Any]:
    """Train the best recipe to its solutions, and on to the printed number of epochs."""
    task = dataclasses.replace(best, cap=LONG_CAP).task()
    solving = _train([task], runs, folder)
    by_printed = (solving["status"] == Status.CONVERGED) & (solving["epochs"] <= CAP)
    by_500 = (solving["status"] == Status.CONVERGED) & (solving["epochs"] <= 500)
    # No answer is ever so exact: every run is trained for as long as the paper's was.
    task = best.task().with_settings(tolerance=1e-6)
    trained_on = _train([task], runs, folder)
    weights, trained = trained_on["weights"], which_are_trained(runs)
    right = (_answered_right(task, weights) | ~trained).all(axis=1)
    first = solving["weights"][by_printed]
    summary = summarize_runs(solving["status"], solving["epochs"])
    record: dict[str, Any] = {
        "words": best.words(),
        "runs": runs,
        "solved_by_printed": _share(by_printed),
        "solved_by_500": _share(by_500),
        "solved_by_long_cap": summary["success_rate"],
        "long_cap": LONG_CAP,
        "epochs": summary["epochs"],
        "right_at_printed": _share(right),
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
    return {"record": record, "arrays": arrays}


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
                "pure": _share(by_unit[name].max(axis=1) > PURE),
            }
            for name, share in shares.items()
        },
        "each_by_a_unit_of_its_own": _share(np.any(each.all(axis=2), axis=1)),
        "twin_distance": _mean(apart),
        "twin_distance_without_nationality": _mean(rest),
        "twins_nearer": _share(rest < 1),
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


def _share(holds: Any) -> dict[str, Any]:
    return success_rate(int(np.sum(holds)), len(holds))._asdict()


def _mean(values: np.ndarray) -> dict[str, float]:
    """Return the mean over runs and its 95 % interval; a value that is not there is left out."""
    values = values[np.isfinite(values)]
    middle = float(values.mean())
    half = 1.96 * float(values.std(ddof=1)) / len(values) ** 0.5 if len(values) > 1 else np.inf
    return {"estimate": middle, "low": max(0.0, middle - half), "high": middle + float(half)}


# ---- words ---------------------------------------------------------------------------------------


def default_folder(num_runs: int) -> Path:
    """Return where the results go: only the published number of runs may replace the published."""
    return results_folder("family_trees", num_runs, PUBLISHED_RUNS)


def save(result: Mapping[str, Any], folder: Path) -> None:
    """Write `results.json`, `shown.npz` and the text of `README.md`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(result["record"], indent=1) + "\n")
    np.savez_compressed(folder / "shown.npz", **result["arrays"])
    (folder / "README.md").write_text(write_up(result["record"]))


def write_up(record: Mapping[str, Any]) -> str:
    """Return the findings in words; every number comes from the record."""
    short = {row["words"]: row for row in record["rows"] if row["cap"] == record["cap"]}
    long = [row for row in record["rows"] if row["cap"] != record["cap"]]
    lines = [
        "# Family trees, Figs 2-4: which reading of the printed recipe learns",
        "",
        f"{record['num_runs']:,} seeds per recipe from 0 (half as many where weights change after "
        f"every case and in runs of {LONG_CAP:,} epochs), the same ones for all; cap "
        f"{record['cap']:,} epochs. {HELD_OUT} of {len(PAIRS)} cases are held out, drawn for each "
        f"run from its seed. *Solved*: all {len(PAIRS) - HELD_OUT} trained pairs right, every "
        "output unit nearer than 0.5 to its target; training stops there. 95 % intervals.",
        f"Made by `python -m experiments.family_trees --runs {record['num_runs']}`; do not edit by "
        "hand.",
        "",
        "## The answer",
        "",
        *_answer(record, short, long),
        "",
        *_why(record, short),
        "",
        "**Printed**: learning rate 0.005 for 20 epochs, then 0.01; momentum 0.5, then 0.9; every "
        "weight shrinks by 0.2 % after each change; no error inside the margin 0.2; 1,500 epochs. "
        "**The usual reading of what is open**: weights in +-0.3 (printed for symmetry only), "
        "biases that decay like any weight, decay from the beginning, outside the margin the error "
        "is measured from the target, the margin forgives units, weights change once per epoch. "
        '"Rate x2" is also the loss without the one half of equation (3).',
        "",
        "![solved](figures/solved.png)",
        "",
        "## How far the printed recipe is from one that works",
        "",
        "The recipe that solves most among those with that many printed numbers changed. Momentum "
        "counts by 1 / (1 - momentum), how long a change is remembered: 0.95 is twice 0.9.",
        "",
        "| printed numbers changed | by | open choices changed | recipe | solved |",
        "|---|---|---|---|---|",
    ]
    for words in record["ladder"]:
        row = short[words]
        d = row["distance"]
        lines.append(
            f"| {d['numbers']} | {_factor(d)} | {d['choices']} | {words} | "
            f"{percent(row['solved'])} |"
        )
    lines += ["", "## One choice at a time, from the printed recipe", ""]
    lines += _table([short[words] for words in record["one_at_a_time"]])
    if record["steps"]:
        lines += ["", f"## One choice at a time, from the best recipe ({record['best']})", ""]
        lines += _table([short[words] for words in record["steps"]], against=record["best"])
    if long:
        lines += ["", "## Do they only need longer?", ""]
        lines += [
            f"Followed to {long[0]['cap']:,} epochs:",
            "",
            *_table(long, by_printed=True),
        ]
    if record["factorial"]:
        lines += ["", "## All combinations of what matters", ""]
        lines += _grid([short[words] for words in record["factorial"]])
        lines += ["", "In full:", ""]
        lines += _table([short[words] for words in record["factorial"]])
    lines += ["", *_about_best(record), ""]
    return "\n".join(lines)


def _answer(
    record: Mapping[str, Any], short: Mapping[str, Any], long: Sequence[Mapping[str, Any]]
) -> list[str]:
    best, looks = short[record["best"]], record["looked_at"]
    printed = short.get("as printed")
    sentences = []
    if printed:
        longer_run = [row for row in long if row["words"] == "as printed"]
        later = (
            f", and {percent(longer_run[0]['solved'])} within {longer_run[0]['cap']:,}"
            if longer_run
            else ""
        )
        sentences.append(
            f"As printed, in the usual reading, {percent(printed['solved'])} of "
            f"{printed['runs']:,} runs learn their {len(PAIRS) - HELD_OUT} pairs within "
            f"{record['cap']:,} epochs (median: {printed['pairs_right']['median']:g} pairs right)"
            f"{later}."
        )
    near = short.get(record["nearest"] or "")
    nearest_words = (
        f"; the nearest to the printed one that solves at least {100 * WORKS:.0f} % is "
        f"*{record['nearest']}*, with {_changes(near)}: {percent(near['solved'])}"
        if near and record["nearest"] != record["best"]
        else ""
    )
    kept = short[record["best_with_decay"]]
    kept_words = (
        f"; with the printed decay the best is *{record['best_with_decay']}*, with "
        f"{_changes(kept)}: {percent(looks[-1]['solved_by_printed'])}"
        if len(looks) > 1
        else ""
    )
    sentences.append(
        f"The best recipe is *{record['best']}*, with {_changes(best)}: it solves "
        f"{percent(looks[0]['solved_by_printed'])} of {looks[0]['runs']:,} runs within "
        f"{record['cap']:,} epochs{kept_words}{nearest_words}."
    )
    pieces = []
    for look in looks:
        if "code" in look:
            held_out = look["held_out_at_printed"]
            seen = ", ".join(
                f"{name} in {percent(f['found'])}" for name, f in look["code"]["features"].items()
            )
            pieces.append(
                f"the best {look['why']} answers {percent(held_out['right'])} of the held-out "
                f"pairs and all four in {percent(held_out['all_right'])} of nets, and among its "
                f"six person units one is found for {seen}"
            )
    if pieces:
        sentences.append(
            f"After {record['cap']:,} epochs, of the nets that know all their trained pairs, "
            f"{'; '.join(pieces)} (by chance {100 * record['chance']['relation']:.1f} % of "
            f"held-out pairs, and each feature in 1 % of nets)."
        )
    return [" ".join(sentences)]


def _why(record: Mapping[str, Any], short: Mapping[str, Any]) -> list[str]:
    """Return why weights of the printed recipe stay small: how decay pulls, at rest."""
    printed = short.get("as printed")
    if not printed:
        return []
    others = dict.fromkeys((record["best"], record["best_with_decay"]))
    pulls = "; ".join(f"{_pull(short[w]):g} in *{w}*" for w in others)
    return [
        "Why: where weights come to rest, decay balances the gradient, and so acts as a penalty of "
        f"decay x (1 - momentum) / rate for each unit of weight: {_pull(printed):g} as printed. "
        "That is more than the error says through four layers of small weights, which shrink to an "
        f"rms of {printed['weight_rms']:.2f}. It is {pulls}.",
    ]


def _pull(row: Mapping[str, Any]) -> float:
    return float(row["decay"] * (1 - row["momentum"]) / (0.01 * row["rate"]))


def _changes(row: Mapping[str, Any]) -> str:
    d = row["distance"]
    numbers = f"{d['numbers']} printed number{'s' * (d['numbers'] != 1)} changed"
    if d["numbers"]:
        numbers += f" ({_factor(d)})"
    return f"{numbers} and {d['choices']} open choice{'s' * (d['choices'] != 1)} taken otherwise"


def _factor(distance: Mapping[str, Any]) -> str:
    words = [f"a factor of {distance['factor']:g} in all"] if distance["factor"] > 1 else []
    return ", ".join(words + ["decay left out"] * distance["no_decay"]) or "none"


def _table(
    rows: Sequence[Mapping[str, Any]], by_printed: bool = False, against: str = ""
) -> list[str]:
    more = f" solved by {CAP:,} |" if by_printed else ""
    lines = [
        f"| recipe | runs |{more} solved | trained pairs right, median (10 to 90 %) | epochs, "
        "median (quartiles) | held-out answers right | all four right | weight rms |",
        "|---|---|---|---|---|---|---|---|" + "---|" * by_printed,
    ]
    for row in rows:
        right, held_out = row["pairs_right"], row["held_out"]
        name = f"**{row['words']}**" if row["words"] == against else row["words"]
        cells = [name, f"{row['runs']:,}"]
        cells += [percent(row["solved_by_printed"])] * by_printed
        cells += [
            percent(row["solved"]),
            f"{right['median']:g} ({right['q10']:g} to {right['q90']:g})",
            quartiles(row["epochs"], row["cap"]),
            percent(held_out["right"]) if held_out and held_out["runs"] > 1 else "",
            percent(held_out["all_right"]) if held_out else "",
            f"{row['weight_rms']:.2f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _grid(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the share solved, rates and momenta across, the rest down."""
    across = sorted({(row["rate"], row["momentum"]) for row in rows})
    down = sorted({(row["measured_from"], row["init_range"], row["decay"]) for row in rows})
    found = {
        (row["measured_from"], row["init_range"], row["decay"], row["rate"], row["momentum"]): row
        for row in rows
    }
    head = " | ".join(f"rate x{rate:g}, momentum {momentum:g}" for rate, momentum in across)
    lines = [f"| error from | weights | decay | {head} |", "|---" * (3 + len(across)) + "|"]
    for measured_from, width, decay in down:
        shares = []
        for point in across:
            row = found.get((measured_from, width, decay, *point))
            shares.append(f"{100 * row['solved']['estimate']:.1f} %" if row else "")
        lines.append(f"| {measured_from} | +-{width:g} | {decay:g} | {' | '.join(shares)} |")
    return lines


def _about_best(record: Mapping[str, Any]) -> list[str]:
    looks = record["looked_at"]
    lines = ["## What the best recipes learn", ""]
    for look in looks:
        epochs = look["epochs"]
        lines += [
            f"**The best {look['why']}**, {look['words']}; {look['runs']:,} runs. "
            f"{percent(look['solved_by_500'])} are solved within 500 epochs, "
            f"{percent(look['solved_by_printed'])} within {record['cap']:,} (the percentile at "
            f"which the printed number lies), {percent(look['solved_by_long_cap'])} within "
            f"{look['long_cap']:,}; median {_number(epochs['median'])}, quartiles "
            f"{_number(epochs['q25'])} and {_number(epochs['q75'])}. After exactly "
            f"{record['cap']:,} epochs, whether solved before or not, "
            f"{percent(look['right_at_printed'])} have all trained pairs right: these are its "
            "nets below, unless said otherwise.",
            "",
        ]
    lines += [
        "| held-out answers | nets | right | all four right | at most one of four wrong |",
        "|---|---|---|---|---|",
    ]
    for look in looks:
        for words, name in (
            ("when the trained pairs are first all right", "held_out_when_solved"),
            (f"after {record['cap']:,} epochs", "held_out_at_printed"),
        ):
            if look[name]:
                row = look[name]
                shares = (row[part] for part in ("right", "all_right", "at_most_one_wrong"))
                lines.append(
                    f"| the best {look['why']}, {words} | {row['runs']:,} | "
                    f"{' | '.join(map(percent, shares))} |"
                )
    lines += [
        f"| paper: one run of 1,500 epochs (verified) | 1 | 4 of {HELD_OUT} | yes | yes |",
        "| UCI documentation of Hinton 1986: two runs of 500 epochs (verified) | 2 | 7 of 8 | | |",
        "",
        "By chance: naming one of the 24 people at random is right in "
        f"{100 * record['chance']['person']:.1f} % of held-out cases; giving the answer that is "
        "most frequent for the relation among the trained cases in "
        f"{100 * record['chance']['relation']:.1f} %.",
    ]
    return [*lines, "", *_about_code([look for look in looks if "code" in look])]


def _about_code(looks: Sequence[Mapping[str, Any]]) -> list[str]:
    if not looks:
        return []
    lines = [
        "The six person units of Fig. 4. A feature is *found* if it explains more of some unit's "
        "variance than the best of six units exceeds in 1 % of relabellings: by chance it is found "
        "in 1 % of nets.",
        "",
        f"| feature | recipe | nets | found | threshold | explains over {100 * PURE:.0f} % of a "
        "unit | variance of the best unit explained, median | of a unit that knows nothing |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in person_features():
        for look in looks:
            code, feature = look["code"], look["code"]["features"][name]
            lines.append(
                f"| {name} | the best {look['why']} | {code['nets']:,} | "
                f"{percent(feature['found'])} | {feature['threshold']:.2f} | "
                f"{percent(feature['pure'])} | {feature['median']:.2f} | "
                f"{feature['chance']:.2f} |"
            )
    for look in looks:
        code = look["code"]
        lines += [
            "",
            f"The best {look['why']}: all three features by different units in "
            f"{percent(code['each_by_a_unit_of_its_own'])} of nets. Distance between the codes "
            "of twins, as a share of that between others, mean over nets: "
            f"{_range(code['twin_distance'])}; without the unit that says most about nationality "
            f"{_range(code['twin_distance_without_nationality'])}, below 1 in "
            f"{percent(code['twins_nearer'])} of nets.",
        ]
    shown = looks[-1]["shown"]
    lines += [
        "",
        "![features](figures/features.png)",
        "",
        f"Weights into the six person units of seed {shown['seed']} of the best "
        f"{looks[-1]['why']}, a net of about the median number of epochs ({shown['epochs']:,}), "
        f"after {CAP:,}, drawn as in Fig. 4; the units are put in the paper's order.",
        "",
        "![person units](figures/person_units.png)",
    ]
    return lines


def _range(mean: Mapping[str, float]) -> str:
    return f"{mean['estimate']:.2f} ({mean['low']:.2f} to {mean['high']:.2f})"


def _number(value: Any) -> str:
    return "not reached" if value is None else f"{value:,}"


# ---- figures -------------------------------------------------------------------------------------


def draw(result: Mapping[str, Any], folder: Path) -> None:
    """Draw the share solved per recipe, the person units of a net and the features found."""
    record, arrays = result["record"], result["arrays"]
    save_figure(draw_solved(record).figure, folder / "figures" / "solved")
    if all("code" in look for look in record["looked_at"]):
        save_figure(draw_features(record).figure, folder / "figures" / "features")
        ax = draw_person_units(arrays["shown_weights"], record["looked_at"][-1]["shown"])
        save_figure(ax.figure, folder / "figures" / "person_units")


def draw_solved(record: Mapping[str, Any]) -> Axes:
    """Draw the share of runs solved: from the printed recipe, nearer to the best, from the best."""
    short = {row["words"]: row for row in record["rows"] if row["cap"] == record["cap"]}
    parts = [
        ("printed recipe, one change", record["one_at_a_time"], VERMILLION),
        ("most solved per number of printed numbers changed", record["ladder"], ORANGE),
        ("best recipe, one change", record["steps"], BLUE),
    ]
    labels: list[str] = []
    num_rows = sum(len(words) + 1 for _, words, _ in parts)
    ax = new_axes(size=(12.5, 1.2 + 0.21 * num_rows))
    for title, names, color in parts:
        rows = [short[words] for words in names]
        if not rows:
            continue
        here = len(labels) + np.arange(len(rows))
        middle = np.array([100 * row["solved"]["estimate"] for row in rows])
        low = np.array([100 * row["solved"]["low"] for row in rows])
        high = np.array([100 * row["solved"]["high"] for row in rows])
        spread = np.maximum([middle - low, high - middle], 0)
        ax.errorbar(middle, here, xerr=spread, fmt="o", color=color, ms=4, capsize=2, label=title)
        labels += [_since(row, record, title) for row in rows] + [""]
    ax.set_yticks(range(len(labels)), labels, fontsize=8)
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(labels) - 0.5, -0.7)
    ax.set_xlim(-2, 102)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel(f"runs solved within {record['cap']:,} epochs, %, with 95 % interval")
    ax.set_title(
        f"family trees: share of {record['num_runs']} runs per recipe that learn all their pairs, "
        "criterion tolerance 0.5",
        loc="left",
        pad=26,
        fontsize=11,
    )
    key: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (-0.01, 0.997)}
    ax.legend(**key, ncols=3, frameon=False, fontsize=8, columnspacing=1.0)
    return ax


def _since(row: Mapping[str, Any], record: Mapping[str, Any], part: str) -> str:
    """Name a recipe by what it changes of the best, among the steps from there."""
    if not part.startswith("best"):
        return row["words"]
    best = next(r for r in record["rows"] if r["words"] == record["best"])
    if row["words"] == record["best"]:
        return f"best: {record['best']}"
    names = {
        "rate": "rate x{:g}",
        "momentum": "momentum {:g}",
        "decay": "decay {:g}",
        "measured_from": "error from the {}",
        "init_range": "weights in +-{:g}",
        "scope": "margin for: {}",
        "bias": "no biases",
        "decay_biases": "biases do not decay",
        "decay_from": "decay from epoch {}",
        "updates": "weights change after every case",
    }
    return ", ".join(
        text.format(row[field]) for field, text in names.items() if row[field] != best[field]
    )


def draw_features(record: Mapping[str, Any]) -> Axes:
    """Draw the share of nets in which each feature is found."""
    looks = record["looked_at"]
    ax = new_axes(size=(7.4, 3.6))
    for k, (look, color) in enumerate(zip(looks, (BLUE, ORANGE), strict=False)):
        code = look["code"]
        shares = [feature["found"] for feature in code["features"].values()]
        middle = np.array([100 * share["estimate"] for share in shares])
        ends = np.array([[100 * s["low"], 100 * s["high"]] for s in shares]).T
        spread = np.maximum([middle - ends[0], ends[1] - middle], 0)
        place = np.arange(len(shares)) + 0.36 * (k - (len(looks) - 1) / 2)
        label = f"best {look['why']} ({code['nets']:,} nets)"
        ax.bar(place, middle, 0.34, yerr=spread, color=color, capsize=4, label=label)
    ax.axhline(1, color=VERMILLION, linestyle="--", label="by chance: 1 %")
    names = list(looks[0]["code"]["features"])
    ax.set_xticks(range(len(names)), names)
    ax.set_ylim(0, 105)
    ax.set_ylabel("nets, %")
    ax.grid(visible=False, axis="x")
    title = (
        f"family trees: features found among the six person units after {record['cap']:,} epochs,\n"
        "in nets that know all their trained pairs (criterion tolerance 0.5)"
    )
    ax.set_title(title, loc="left", pad=26, fontsize=11)
    key: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (-0.01, 0.995)}
    ax.legend(**key, ncols=3, frameon=False, fontsize=8)
    return ax


def draw_person_units(weights: np.ndarray, shown: Mapping[str, Any]) -> Axes:
    """Draw the weights into six units as Fig. 4 does: English people above their Italian twins."""
    title = (
        f"family trees, one run (seed {shown['seed']}), criterion tolerance 0.5: weights into the\n"
        "six person units; white is positive, black negative, area is size"
    )
    units = enumerate(shown["titles"], 1)
    titles = [f"unit {number}" + (f", {words}" if words else "") for number, words in units]
    nations = ("English", "Italian")
    return unit_panels(weights, title=title, titles=titles, names=PEOPLE, row_names=nations)


def main(argv: Sequence[str] | None = None) -> int:
    """Compute, save and draw."""
    parser = parser_for("family_trees", PUBLISHED_RUNS, "number of seeds per recipe", __doc__)
    options = parser.parse_args(argv)
    use_all_cpu_cores()
    folder = options.out or default_folder(options.runs)
    try:
        result = compute(options.runs, folder=folder, tell=lambda words: print(words, flush=True))
    except SettingError as error:
        parser.error(f"--runs {error.rule}, got {error.value!r}.")
    save(result, folder)
    draw(result, folder)
    print(write_up(result["record"]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
