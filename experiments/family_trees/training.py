"""Trains every recipe, finds the best and takes a closer look at it."""

import dataclasses
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bpjax.sweeps.host_loop import environment
from experiments.family_trees.codes import look_at
from experiments.family_trees.measures import chance, measure, train
from experiments.family_trees.recipes import (
    CAP,
    PRINTED,
    Cell,
    choose_best,
    factorial,
    ladder,
    longer,
    nearest,
    variations,
)
from experiments.study import Result


def compute(
    num_runs: int,
    best_runs: int | None = None,
    folder: Path | None = None,
    cells: Sequence[Cell] | None = None,
    tell: Callable[[str], None] = lambda words: None,
) -> Result:
    """Train every recipe, find the best and look at what it learns.

    Args:
      num_runs: seeds per recipe; half as many where weights change after every case, or the cap is
        `LONG_CAP`.
      best_runs: seeds of the best recipe; five times as many unless given.
      folder: where finished runs are kept; None keeps nothing.
      cells: recipes instead of all (and then no steps away from the best).
      tell: is told what is done.

    Returns:
      What `results.json` holds, and what the figures need.
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
        why: look_at(cell, best_runs or 5 * num_runs, folder)
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
        "looked_at": [{"why": why} | look.record for why, look in looks.items()],
        "environment": environment(),
    }
    *_, last = looks.values()
    return Result(record, last.arrays)


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
        result = train([cell.task() for cell in same], runs, folder)
        for k, cell in enumerate(same):
            part = slice(k * runs, (k + 1) * runs)
            columns = {n: result[n][part] for n in ("seed", "status", "epochs", "weights")}
            found[cell] = measure(cell.task(), columns)
        tell(f"{len(same)} recipes, {time.perf_counter() - began:.0f} s: {same[0].words()} ...")
    return {cell: found[cell] for cell in cells}
