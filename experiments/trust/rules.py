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
from bpjax.learning import learning_rule
from bpjax.params import unflatten_params
from bpjax.schedule import Schedule
from bpjax.witness import loss_and_gradient

EPOCHS = 50
MADE_UP_CHANGES = 400
LARGEST_DIFFERENCE = 1e-12
"""Relative to the largest weight, or to the largest change."""
UNDERFLOW = 1e-290
"""Derivatives below it make no good comparison: XLA takes what is below 2.2e-308 as zero, NumPy
does not, and to Rprop a zero is no small number. A run whose weights have grown that far is
compared up to there."""

Change = Callable[[np.ndarray], np.ndarray]
"""One weight change after another: from dE/dw(t) to Dw(t), t = 1, 2, ..."""


# ---- the rules, from their papers ----------------------------------------------------------------


def paper(rate: Callable[[int], float], momentum: Callable[[int], float]) -> Change:
    """Rumelhart, Hinton and Williams, Nature 323 (1986), equation (9)."""
    last: Any = 0.0
    count = 0

    def change(g: np.ndarray) -> np.ndarray:
        nonlocal last, count
        last = -rate(count) * g + momentum(count) * last
        count += 1
        return last

    return change


def heavy_ball(rate: float, momentum: float) -> Change:
    """Polyak 1964, as optax and others write it: the rate stands outside the sum."""
    velocity: Any = 0.0

    def change(g: np.ndarray) -> np.ndarray:
        nonlocal velocity
        velocity = g + momentum * velocity
        return -rate * velocity

    return change


def adam(rate: float) -> Change:
    """Kingma and Ba, ICLR 2015, algorithm 1, with the constants printed there."""
    b1, b2, epsilon = 0.9, 0.999, 1e-8
    m: Any = 0.0
    v: Any = 0.0
    t = 0

    def change(g: np.ndarray) -> np.ndarray:
        nonlocal m, v, t
        t += 1
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        m_hat, v_hat = m / (1 - b1**t), v / (1 - b2**t)
        return -rate * m_hat / (np.sqrt(v_hat) + epsilon)

    return change


def rmsprop(rate: float) -> Change:
    """Tieleman and Hinton, lecture 6.5 (2012): MeanSquare(w, t) = 0.9 MeanSquare(w, t-1) + 0.1 g^2.

    The lecture divides by the root of it; epsilon is ours to choose: 1e-8, inside the root.
    """
    mean_square: Any = 0.0

    def change(g: np.ndarray) -> np.ndarray:
        nonlocal mean_square
        mean_square = 0.9 * mean_square + 0.1 * g**2
        return -rate * g / np.sqrt(mean_square + 1e-8)

    return change


class Rprop(NamedTuple):
    """Constants of Riedmiller and Braun, ICNN 1993, with the names they have there."""

    delta_0: float
    backtracking: bool = False
    eta_plus: float = 1.2
    eta_minus: float = 0.5
    delta_min: float = 1e-6
    delta_max: float = 50.0


def rprop(constants: Rprop) -> Change:
    """Riedmiller and Braun, ICNN 1993: equations (4) to (7) and the program printed there.

    Weight by weight, with loops. Without backtracking, a weight whose derivative has changed its
    sign stays where it is, as in simulators of the time.
    """
    delta: np.ndarray | None = None
    last_g = last_change = np.zeros(0)

    def change(g: np.ndarray) -> np.ndarray:
        nonlocal delta, last_g, last_change
        if delta is None:
            delta = np.full(len(g), constants.delta_0)
            last_g, last_change = np.zeros(len(g)), np.zeros(len(g))
        new = np.zeros(len(g))
        remembered = g.copy()
        for k in range(len(g)):
            sign, last_sign = np.sign(g[k]), np.sign(last_g[k])
            if sign * last_sign > 0:
                delta[k] = min(delta[k] * constants.eta_plus, constants.delta_max)
                new[k] = -sign * delta[k]
            elif sign * last_sign < 0:
                delta[k] = max(delta[k] * constants.eta_minus, constants.delta_min)
                new[k] = -last_change[k] if constants.backtracking else 0.0
                remembered[k] = 0.0
            else:
                new[k] = -sign * delta[k]
        last_g, last_change = remembered, new
        return new

    return change


# ---- which settings are tried --------------------------------------------------------------------


class Trial(NamedTuple):
    """One rule with its constants: as a user asks for it, and as the program from its paper."""

    settings: dict[str, Any]
    program: Callable[[], Change]


LIMITS = "rprop(grow=1.5, shrink=0.3, smallest_step=0.02, largest_step=0.3"
TRIALS: dict[str, Trial] = {
    "paper": Trial(
        {"optimizer": "paper", "learning_rate": 0.25, "momentum": 0.9},
        lambda: paper(lambda count: 0.25, lambda count: 0.9),
    ),
    "paper, scheduled": Trial(
        {
            "optimizer": "paper",
            "learning_rate": Schedule((0.05, 0.1), (20,)),
            "momentum": Schedule((0.5, 0.9), (20,)),
        },
        lambda: paper(
            lambda count: 0.05 if count < 20 else 0.1, lambda count: 0.5 if count < 20 else 0.9
        ),
    ),
    "sgd": Trial(
        {"optimizer": "sgd", "learning_rate": 0.25, "momentum": 0.9},
        lambda: heavy_ball(0.25, 0.9),
    ),
    "adam": Trial({"optimizer": "adam", "learning_rate": 0.01}, lambda: adam(0.01)),
    "rmsprop": Trial({"optimizer": "rmsprop", "learning_rate": 0.01}, lambda: rmsprop(0.01)),
    "rprop": Trial({"optimizer": "rprop", "learning_rate": 0.01}, lambda: rprop(Rprop(0.01))),
    "rprop, large steps": Trial(
        {"optimizer": "rprop", "learning_rate": 1.0}, lambda: rprop(Rprop(1.0))
    ),
    "rprop, stepping back": Trial(
        {"optimizer": "rprop(backtracking=true)", "learning_rate": 0.01},
        lambda: rprop(Rprop(0.01, backtracking=True)),
    ),
    "rprop, stepping back by large steps": Trial(
        {"optimizer": "rprop(backtracking=true)", "learning_rate": 1.0},
        lambda: rprop(Rprop(1.0, backtracking=True)),
    ),
    "rprop, other constants": Trial(
        {"optimizer": f"{LIMITS})", "learning_rate": 0.1},
        lambda: rprop(Rprop(0.1, False, 1.5, 0.3, 0.02, 0.3)),
    ),
    "rprop, other constants, stepping back": Trial(
        {"optimizer": f"{LIMITS}, backtracking=true)", "learning_rate": 0.1},
        lambda: rprop(Rprop(0.1, True, 1.5, 0.3, 0.02, 0.3)),
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
    largest = 0.0
    for epoch in range(EPOCHS):
        loss, gradient = _loss_and_gradient(task, weights)
        largest = max(largest, abs(float(run.history.loss[epoch]) / loss - 1))
        if np.any((gradient != 0) & (np.abs(gradient) < UNDERFLOW)):
            return Comparison(epoch, largest)
        weights = weights + change(gradient)
        largest = max(largest, _difference(run.snapshots.weights[epoch + 1], weights))
    return Comparison(EPOCHS, largest)


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
    largest, state = 0.0, None
    for derivatives in _made_up(np.random.default_rng(seed)):
        state = init(jnp.asarray(derivatives)) if state is None else state
        ours, state = update(jnp.asarray(derivatives), state)
        largest = max(largest, _difference(ours, change(derivatives)))
    return largest


def _scheduled(value: float | Schedule) -> Any:
    if not isinstance(value, Schedule):
        return value
    (before, after), (start,) = value.values, value.changes
    return lambda count: jnp.where(count < start, before, after)


def _made_up(rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield derivatives of 64 weights: some keep their sign, some alternate, now and then zero."""
    size = 10.0 ** rng.uniform(-12, 2, 64)
    kept = rng.choice([0.0, 0.5, 0.9, 1.0], 64)
    sign = np.ones(64)
    for _ in range(MADE_UP_CHANGES):
        sign = np.where(rng.random(64) < kept, sign, -sign)
        yield np.where(rng.random(64) < 0.1, 0.0, sign * size * rng.uniform(0.5, 2.0, 64))


def _difference(ours: Any, theirs: np.ndarray) -> float:
    """Return the largest difference, relative to the largest number; of changes, to each."""
    scale = np.max(np.abs(theirs))
    return float(np.max(np.abs(np.asarray(ours) - theirs)) / scale) if scale else 0.0


# ---- the proof -----------------------------------------------------------------------------------


def measure(full: bool) -> dict[str, Any]:
    """Return the largest relative difference of every rule, and how many tries were beyond 1e-12.

    Args:
      full: three layouts, and two more nets in the one that serves them all, instead of one of
        each.
    """
    layouts = ("matrix", "unrolled", "batched") if full else ("matrix",)
    tasks = TASKS if full else {"xor": TASKS["xor"]}
    tries = [("xor", layout) for layout in layouts]
    tries += [(net, "matrix") for net in tasks if net != "xor"]
    largest: dict[str, float] = {}
    epochs: dict[str, int] = {}
    tried = failed = 0
    for name, trial in TRIALS.items():
        runs = [on_a_net(trial, tasks[net](), 0, layout) for net, layout in tries]
        found = [run.difference for run in runs]
        found += on_made_up_derivatives(trial, 10 if full else 1)
        jax.clear_caches()
        largest[name] = max(found)
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
