"""The recipes that are tried, how far each lies from the printed one, and which is best."""

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from bpjax import tasks
from bpjax.presentation import Updates
from bpjax.schedule import Schedule
from bpjax.task import Task

CAP = 1500
LONG_CAP = 5000
HELD_OUT = 4
WORKS = 0.5
"""A recipe works if it solves at least this share of its runs."""


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
    updates: Updates = "batch"
    cap: int = CAP

    def task(self) -> Task:
        """Return the task that trains this recipe; its name is an option of its own."""
        early, late = 0.005 * self.rate, 0.01 * self.rate
        first = 0.0 if self.decay_from else self.decay
        task = tasks.family_trees(
            recipe="printed",
            bias=self.bias,
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
        if self.scope == "none":
            task = task.with_settings(loss="half-squared")
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
