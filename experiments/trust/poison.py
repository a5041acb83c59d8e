"""P7: runs that break, in random lanes of a block and in random places of a sweep, harm nobody."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import bpjax
from bpjax.epoch import Settings, program_of, settings_of
from bpjax.layouts import lanes, layout_named
from bpjax.status import Status

LANES, EPOCHS = 64, 150
LAYOUTS = ("matrix", "unrolled", "batched")
FIELDS = ("learning_rate", "momentum", "init_range")
POISONS = (np.inf, -np.inf, np.nan, 1e38)
TASKS = ("xor", "encoder")
HUGE = 3e38


def measure(full: bool) -> dict[str, Any]:
    """Poison lanes with numbers that no recipe takes, then sweeps with those that one does."""
    rng = np.random.default_rng(7)
    tried, broken, failed = 0, 0, []
    for name in TASKS if full else TASKS[:1]:
        for layout in LAYOUTS if full else LAYOUTS[1:]:
            for field in FIELDS:
                for poison in POISONS:
                    for _ in range(5 if full else 1):
                        sick = rng.random(LANES) < rng.uniform(0.05, 0.95)
                        same, ended = _lanes(layout, name, field, poison, sick)
                        tried, broken = tried + 1, broken + ended
                        if not same:
                            failed.append(f"{layout}, {name}, {field} {poison}")
    for implementation in ("matrix", "unrolled"):
        for seeds in (3, 17, 100) if full else (3,):
            tried += 1
            if not _sweeps(implementation, seeds):
                failed.append(f"sweep, {implementation}, {seeds} seeds")
    return {
        "tried": tried,
        "failed": len(failed),
        "words": f"{tried} blocks and sweeps with learning rates, momenta and weights of inf, NaN "
        f"or 1e38 in random places: {broken:,} runs broke, of the others {len(failed)} "
        "blocks changed a bit.",
        "off": failed,
    }


def _lanes(layout: str, name: str, field: str, poison: float, sick: np.ndarray) -> tuple[bool, int]:
    """Return whether the healthy lanes are those of a clean block, and how many runs broke."""
    task = bpjax.tasks.TASKS[name]()
    rows = settings_of(task, "float32")
    columns: Any = (np.repeat(column[..., None], LANES, axis=-1) for column in rows)
    settings = Settings(*columns)
    clean = _train(layout, name, settings)
    getattr(settings, field)[..., sick] = poison
    runs = _train(layout, name, settings)
    same = all(
        ours[..., ~sick].tobytes() == theirs[..., ~sick].tobytes()
        for ours, theirs in zip(jax.tree.leaves(runs), jax.tree.leaves(clean), strict=True)
    )
    return same, int(np.sum(runs.status[sick] == Status.NONFINITE))


def _train(layout: str, name: str, settings: Settings) -> Any:
    cases, train = _program(layout, name)
    return jax.device_get(train(cases, np.arange(LANES, dtype=np.uint32), settings))


@functools.cache
def _program(layout: str, name: str) -> tuple[Any, Any]:
    """Return the cases and the training of a block, one run per lane, to the outcomes."""
    task = bpjax.tasks.TASKS[name]()
    program, of = program_of(task, "float32"), layout_named(layout)
    arithmetic = lanes.Arithmetic(program, "cpu")

    @jax.jit
    def train(cases: Any, seeds: Any, settings: Any) -> Any:
        runs = lanes.start(program, task.num_cases, seeds, settings)
        cases = jax.tree.map(jnp.asarray, cases)
        cap, ever = np.int32(EPOCHS), np.int32(EPOCHS + 1)
        return of.advance(arithmetic, task.num_cases, cases, cap, ever, settings, runs)

    return of.cases_of(task, program), train


def _sweeps(implementation: str, seeds: int) -> bool:
    """Return whether a grid has the runs that it has without its poisonous points."""
    task = bpjax.tasks.xor()
    common: dict[str, Any] = {
        "implementation": implementation,
        "keep_weights": True,
        "max_epochs": EPOCHS,
    }
    healthy = [0.3, 0.5, 1.0, 2.0]
    rates = [1e38, 0.3, HUGE, 2e38, 0.5, 1.0, 1.5e38, 2.0]
    clean = bpjax.sweep(task, seeds, learning_rate=healthy, **common)
    mixed = bpjax.sweep(task, seeds, learning_rate=rates, **common)
    kept = np.isin(mixed["learning_rate"], healthy)
    return all(
        np.ascontiguousarray(mixed[name][kept]).tobytes()
        == np.ascontiguousarray(clean[name]).tobytes()
        for name in ("seed", "status", "epochs", "loss", "weights")
    )
