"""The learning rules once more: NumPy programs from their papers, which share no code with ours."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Change = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""One weight change after another: from dE/dw(t) and w(t) to Dw(t), t = 1, 2, ..."""


def paper(rate: Callable[[int], float], momentum: Callable[[int], float]) -> Change:
    """Rumelhart, Hinton and Williams, Nature 323 (1986), equation (9)."""
    last: Any = 0.0
    count = 0

    def change(g: np.ndarray, w: np.ndarray) -> np.ndarray:
        nonlocal last, count
        last = -rate(count) * g + momentum(count) * last
        count += 1
        return last

    return change


def heavy_ball(rate: float, momentum: float) -> Change:
    """Polyak 1964, as optax and others write it: the rate stands outside the sum."""
    velocity: Any = 0.0

    def change(g: np.ndarray, w: np.ndarray) -> np.ndarray:
        nonlocal velocity
        velocity = g + momentum * velocity
        return -rate * velocity

    return change


def nesterov(rate: float, momentum: float) -> Change:
    """Sutskever, Martens, Dahl and Hinton, ICML 2013, equations (3) and (4).

    There v(t+1) = mu v(t) - eps dE/du(u(t) + mu v(t)) and u(t+1) = u(t) + v(t+1). What is trained
    here is where the derivative is taken, w(t) = u(t) + mu v(t).
    """
    velocity: Any = 0.0

    def change(g: np.ndarray, w: np.ndarray) -> np.ndarray:
        nonlocal velocity
        last, velocity = velocity, momentum * velocity - rate * g
        return velocity + momentum * (velocity - last)

    return change


class Adam(NamedTuple):
    """Constants of Kingma and Ba, ICLR 2015, as printed there, and the decay of AdamW."""

    rate: float
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    decay: float = 0.0


def adam(constants: Adam) -> Change:
    """Kingma and Ba, ICLR 2015, algorithm 1; Loshchilov and Hutter, ICLR 2019, algorithm 2.

    The decay is lambda of the latter times the rate, as optax and PyTorch have it.
    """
    rate, b1, b2, epsilon, decay = constants
    m: Any = 0.0
    v: Any = 0.0
    t = 0

    def change(g: np.ndarray, w: np.ndarray) -> np.ndarray:
        nonlocal m, v, t
        t += 1
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        m_hat, v_hat = m / (1 - b1**t), v / (1 - b2**t)
        return -rate * m_hat / (np.sqrt(v_hat) + epsilon) - rate * decay * w

    return change


def adagrad(rate: float, start: float = 0.1, epsilon: float = 1e-7) -> Change:
    """Duchi, Hazan and Singer, JMLR 12 (2011), figure 1 with diagonal matrices, weight by weight.

    The sum of squares starts at `start`, and epsilon is inside the root, both ours to choose; a
    weight whose derivative has always been zero stays.
    """
    squares: np.ndarray | None = None

    def change(g: np.ndarray, w: np.ndarray) -> np.ndarray:
        nonlocal squares
        squares = np.full(len(g), start) if squares is None else squares
        new = np.zeros(len(g))
        for k in range(len(g)):
            squares[k] += g[k] ** 2
            if squares[k] > 0:
                new[k] = -rate * g[k] / np.sqrt(squares[k] + epsilon)
        return new

    return change


def rmsprop(rate: float, decay: float = 0.9, epsilon: float = 1e-8) -> Change:
    """Tieleman and Hinton, lecture 6.5 (2012): MeanSquare(w, t) = 0.9 MeanSquare(w, t-1) + 0.1 g^2.

    The lecture divides by the root of it; epsilon is ours to choose: 1e-8, inside the root.
    """
    mean_square: Any = 0.0

    def change(g: np.ndarray, w: np.ndarray) -> np.ndarray:
        nonlocal mean_square
        mean_square = decay * mean_square + (1 - decay) * g**2
        return -rate * g / np.sqrt(mean_square + epsilon)

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

    def change(g: np.ndarray, w: np.ndarray) -> np.ndarray:
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


def quickprop(
    epsilon: Callable[[int], float], max_factor: float = 1.75, decay: float = 0.0
) -> Change:
    """Fahlman, CMU-CS-88-162 (1988): UPDATE-WEIGHTS of his program, weight by weight.

    His slopes are dE/dw, with the decay in them; delta is the last step.
    """
    shrink_factor = max_factor / (1.0 + max_factor)
    deltas = prevs = np.zeros(0)
    count = 0

    def one(s: float, p: float, d: float, eps: float) -> float:
        step = 0.0
        if d < 0.0:  # the last step was negative
            if s > 0.0:
                step -= eps * s
            step += max_factor * d if s >= shrink_factor * p else d * s / (p - s)
        elif d > 0.0:  # the last step was positive
            if s < 0.0:
                step -= eps * s
            step += max_factor * d if s <= shrink_factor * p else d * s / (p - s)
        else:
            step -= eps * s
        return step

    def change(g: np.ndarray, w: np.ndarray) -> np.ndarray:
        nonlocal deltas, prevs, count
        if not count:
            deltas, prevs = np.zeros(len(g)), np.zeros(len(g))
        slopes = g + decay * w
        each = zip(slopes, prevs, deltas, strict=True)
        deltas = np.array([one(s, p, d, epsilon(count)) for s, p, d in each])
        prevs, count = slopes, count + 1
        return deltas

    return change


class DeltaBarDelta(NamedTuple):
    """Constants of Jacobs, Neural Networks 1 (1988), with the names they have there."""

    epsilon_0: float
    kappa: float = 0.035
    phi: float = 0.333
    theta: float = 0.7


def delta_bar_delta(constants: DeltaBarDelta) -> Change:
    """Jacobs, Neural Networks 1 (1988), the delta-bar-delta rule, weight by weight."""
    epsilon = bar = np.zeros(0)

    def change(g: np.ndarray, w: np.ndarray) -> np.ndarray:
        nonlocal epsilon, bar
        if not len(epsilon):
            epsilon, bar = np.full(len(g), constants.epsilon_0), np.zeros(len(g))
        new = np.zeros(len(g))
        for k in range(len(g)):
            if bar[k] * g[k] > 0:
                epsilon[k] += constants.kappa
            elif bar[k] * g[k] < 0:
                epsilon[k] -= constants.phi * epsilon[k]
            bar[k] = (1 - constants.theta) * g[k] + constants.theta * bar[k]
            new[k] = -epsilon[k] * g[k]
        return new

    return change
