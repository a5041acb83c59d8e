"""P20: every learning rule that has a name, against a NumPy program from the rule's own paper.

Two tries for each rule, in float64. Fifty epochs of real nets, whose derivatives the program takes
from the slow witness: after every epoch the weights are those of the run that `bpjax.train` makes.
And long sequences of made-up derivatives, from 1e-12 to 1e2 in size, with zeros and changes of sign
in them: there epsilons and the limits of steps have their say, which nets hardly ever meet.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import bpjax
from bpjax.learning import OPTIMIZERS, learning_rule
from bpjax.params import unflatten_params
from bpjax.schedule import Schedule
from bpjax.witness import loss_and_gradient
from experiments.trust.rule_programs import (
    Adam,
    Change,
    DeltaBarDelta,
    Rprop,
    adagrad,
    adam,
    delta_bar_delta,
    heavy_ball,
    nesterov,
    paper,
    quickprop,
    rmsprop,
    rprop,
)

EPOCHS = 50
MADE_UP_CHANGES = 400
LARGEST_DIFFERENCE = 1e-12
"""Relative to the largest weight, or to the largest change."""
UNDERFLOW = 1e-290
"""Derivatives below it make no good comparison: XLA takes what is below 2.2e-308 as zero, NumPy
does not, and to Rprop a zero is no small number. A run whose weights have grown that far is
compared up to there."""

# ---- which settings are tried --------------------------------------------------------------------


class Trial(NamedTuple):
    """One rule with its constants: as a user asks for it, and as the program from its paper.

    Attributes:
      settings: as a user says them.
      program: starts the program.
      side_by_side: whether the program, on a net, goes on from the weights that the run has after
        every epoch, and from a memory of its own. A rule that amplifies rounding needs it: of two
        of quickprop's NumPy programs, one of them with slopes off by a part in 10^16, weights
        differed by up to 7e-5 after 50 epochs.
    """

    settings: dict[str, Any]
    program: Callable[[], Change]
    side_by_side: bool = False


LIMITS = "rprop(grow=1.5, shrink=0.3, smallest_step=0.02, largest_step=0.3"
RATES = Schedule((0.05, 0.1), (20,))
MOMENTA = Schedule((0.5, 0.9), (20,))


def _trial(program: Callable[[], Change], optimizer: str, rate: Any, **momentum: Any) -> Trial:
    return Trial({"optimizer": optimizer, "learning_rate": rate, **momentum}, program)


TRIALS: dict[str, Trial] = {
    "paper": _trial(
        lambda: paper(lambda count: 0.25, lambda count: 0.9), "paper", 0.25, momentum=0.9
    ),
    "paper, scheduled": _trial(
        lambda: paper(RATES.at, MOMENTA.at), "paper", RATES, momentum=MOMENTA
    ),
    "sgd": _trial(lambda: heavy_ball(0.25, 0.9), "sgd", 0.25, momentum=0.9),
    "nesterov": _trial(lambda: nesterov(0.25, 0.9), "nesterov", 0.25, momentum=0.9),
    "nesterov, without momentum": _trial(lambda: nesterov(0.5, 0.0), "nesterov", 0.5, momentum=0.0),
    "adam": _trial(lambda: adam(Adam(0.01)), "adam", 0.01),
    "adam, other constants": _trial(
        lambda: adam(Adam(0.01, 0.5, 0.9, 1e-3)), "adam(b1=0.5, b2=0.9, eps=1e-3)", 0.01
    ),
    "adamw": _trial(lambda: adam(Adam(0.01, decay=1e-4)), "adamw", 0.01),
    "adamw, other constants": _trial(
        lambda: adam(Adam(0.01, 0.5, 0.9, 1e-3, 0.3)),
        "adamw(b1=0.5, b2=0.9, eps=1e-3, weight_decay=0.3)",
        0.01,
    ),
    "adagrad": _trial(lambda: adagrad(0.1), "adagrad", 0.1),
    "adagrad, other constants": _trial(
        lambda: adagrad(0.1, 0.0, 1e-3), "adagrad(initial_accumulator_value=0, eps=1e-3)", 0.1
    ),
    "adagrad, no constants": _trial(
        lambda: adagrad(0.1, 0.0, 0.0), "adagrad(initial_accumulator_value=0, eps=0)", 0.1
    ),
    "rmsprop": _trial(lambda: rmsprop(0.01), "rmsprop", 0.01),
    "rmsprop, other constants": _trial(
        lambda: rmsprop(0.01, 0.5, 1e-3), "rmsprop(decay=0.5, eps=1e-3)", 0.01
    ),
    "rprop": _trial(lambda: rprop(Rprop(0.01)), "rprop", 0.01),
    "rprop, large steps": _trial(lambda: rprop(Rprop(1.0)), "rprop", 1.0),
    "rprop, stepping back": _trial(
        lambda: rprop(Rprop(0.01, backtracking=True)), "rprop(backtracking=true)", 0.01
    ),
    "rprop, stepping back by large steps": _trial(
        lambda: rprop(Rprop(1.0, backtracking=True)), "rprop(backtracking=true)", 1.0
    ),
    "rprop, other constants": _trial(
        lambda: rprop(Rprop(0.1, False, 1.5, 0.3, 0.02, 0.3)), f"{LIMITS})", 0.1
    ),
    "rprop, other constants, stepping back": _trial(
        lambda: rprop(Rprop(0.1, True, 1.5, 0.3, 0.02, 0.3)), f"{LIMITS}, backtracking=true)", 0.1
    ),
    "quickprop": _trial(lambda: quickprop(lambda count: 0.1), "quickprop", 0.1)._replace(
        side_by_side=True
    ),
    "quickprop, scheduled": _trial(lambda: quickprop(RATES.at), "quickprop", RATES)._replace(
        side_by_side=True
    ),
    "quickprop, other constants": _trial(
        lambda: quickprop(lambda count: 0.1, 1.2, 0.01), "quickprop(mu=1.2, decay=0.01)", 0.1
    )._replace(side_by_side=True),
    "delta-bar-delta": _trial(lambda: delta_bar_delta(DeltaBarDelta(0.5)), "delta-bar-delta", 0.5),
    "delta-bar-delta, other constants": _trial(
        lambda: delta_bar_delta(DeltaBarDelta(0.1, 0.1, 0.5, 0.2)),
        "delta-bar-delta(kappa=0.1, phi=0.5, theta=0.2)",
        0.1,
    ),
}

TASKS = {
    "xor": bpjax.tasks.xor,
    "encoder 10-5-10": lambda: bpjax.tasks.encoder(size=10, hidden=5),
}


# ---- the two tries -------------------------------------------------------------------------------


class Comparison(NamedTuple):
    """Epochs that were compared, and the largest relative difference of weights and losses."""

    epochs: int
    difference: float


def on_a_net(trial: Trial, task: bpjax.Task, seed: int, implementation: str) -> Comparison:
    """Compare a run with what the program makes of the witness's derivatives, for 50 epochs."""
    task = task.with_settings(**trial.settings, max_epochs=EPOCHS, loss_below=1e-300)
    with jax.numpy_dtype_promotion("standard"):  # optax's adam mixes types
        run = bpjax.train(
            task, seed, snapshot_every=1, precision="float64", implementation=implementation
        )
    change = trial.program()
    weights = run.snapshots.weights[0].astype(np.float64)
    found = [0.0]
    for epoch in range(EPOCHS):
        loss, gradient = _loss_and_gradient(task, weights)
        found.append(abs(float(run.history.loss[epoch]) / loss - 1))
        if np.any((gradient != 0) & (np.abs(gradient) < UNDERFLOW)):
            return Comparison(epoch, float(np.max(found)))
        weights = weights + change(gradient, weights)
        reached = run.snapshots.weights[epoch + 1]
        found.append(_difference(reached, weights, np.max(np.abs(weights))))
        weights = np.asarray(reached, np.float64) if trial.side_by_side else weights
    return Comparison(EPOCHS, float(np.max(found)))  # NaN if any is


def _loss_and_gradient(task: bpjax.Task, weights: np.ndarray) -> tuple[float, np.ndarray]:
    params = jax.tree.map(np.asarray, unflatten_params(task.network, weights))  # type: ignore[arg-type]
    loss, grads = loss_and_gradient(task.network, params, task.inputs, task.targets, task.loss)
    parts = [grads.weight[key] for key in task.network.weights]
    parts += [grads.bias[key] for key in task.network.biases]
    return loss, np.concatenate([np.ravel(part) for part in parts])


def on_made_up_derivatives(trial: Trial, num_seeds: int) -> list[float]:
    """Return the largest relative difference of changes that made-up derivatives make, by seed."""
    settings = trial.settings
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        rates = [_scheduled(settings.get(name, 0.0)) for name in ("learning_rate", "momentum")]
        rule = learning_rule(settings["optimizer"], *rates)
        update = jax.jit(rule.update)
        return [_on_one_sequence(rule.init, update, trial.program(), k) for k in range(num_seeds)]


def _on_one_sequence(init: Any, update: Any, change: Change, seed: int) -> float:
    found: list[float] = []
    scale, state = np.zeros(()), None
    for derivatives, weights in _made_up(np.random.default_rng(seed)):
        given = jnp.asarray(derivatives), jnp.asarray(weights)
        state = init(given[1]) if state is None else state
        ours, state = update(given[0], state, given[1])
        theirs = change(derivatives, weights)
        # Weight by weight: beside the largest of its own changes, not beside other weights'.
        scale = np.maximum(scale, np.abs(theirs))
        found.append(_difference(ours, theirs, scale))
    return float(np.max(found))  # NaN if any is


def _scheduled(value: float | Schedule) -> Any:
    if not isinstance(value, Schedule):
        return value
    (before, after), (start,) = value.values, value.changes
    return lambda count: jnp.where(count < start, before, after)


def _made_up(rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield derivatives of 64 weights: some keep their sign, some alternate, now and then zero.

    With them come weights, as made up as the derivatives.
    """
    size = 10.0 ** rng.uniform(-12, 2, 64)
    kept = rng.choice([0.0, 0.5, 0.9, 1.0], 64)
    sign = np.ones(64)
    for _ in range(MADE_UP_CHANGES):
        sign = np.where(rng.random(64) < kept, sign, -sign)
        derivatives = np.where(rng.random(64) < 0.1, 0.0, sign * size * rng.uniform(0.5, 2.0, 64))
        yield derivatives, rng.normal(size=64)


def _difference(ours: Any, theirs: np.ndarray, scale: Any) -> float:
    """Return the largest difference relative to `scale`; NaN if any is, infinity if that is 0."""
    apart = np.abs(np.asarray(ours) - theirs)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.max(np.where(apart == 0, 0.0, apart / scale)))


# ---- the proof -----------------------------------------------------------------------------------


def measure(full: bool) -> dict[str, Any]:
    """Return the largest relative difference of every rule, and how many tries were beyond 1e-12.

    Args:
      full: three layouts for a rule as it comes, and one more net in the one that serves them all,
        instead of one of each.
    """
    layouts = ("matrix", "unrolled", "batched") if full else ("matrix",)
    tasks = TASKS if full else {"xor": TASKS["xor"]}
    by_layout = [("xor", layout) for layout in layouts[1:]]
    largest: dict[str, float] = {}
    epochs: dict[str, int] = {}
    tried = failed = 0
    for name, trial in TRIALS.items():
        tries = [(net, "matrix") for net in tasks] + (by_layout if name in OPTIMIZERS else [])
        runs = [on_a_net(trial, tasks[net](), 0, layout) for net, layout in tries]
        found = [run.difference for run in runs]
        found += on_made_up_derivatives(trial, 10 if full else 1)
        jax.clear_caches()
        largest[name] = float(np.max(found))
        epochs[name] = min(run.epochs for run in runs)
        tried += len(found)
        failed += sum(not difference <= LARGEST_DIFFERENCE for difference in found)
    worst = max(largest, key=lambda name: largest[name])
    words = (
        f"{len(TRIALS)} rules and variants by name against NumPy programs from their papers, "
        f"{EPOCHS} epochs of {', '.join(tasks)} and {MADE_UP_CHANGES} made-up changes each: "
        f"relative difference at most {largest[worst]:.1e} ({worst})."
    )
    return {
        "tried": tried,
        "failed": failed,
        "words": words,
        "epochs_compared_at_least": epochs,
        "layouts": list(layouts),
        "largest_relative_difference": largest,
    }
