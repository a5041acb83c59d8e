"""The proof that the backward pass is right: every connection against three independent oracles.

The hand-derived gradient is held against `jax.grad` of the plain forward pass, against the loops
of `bpjax.witness`, and against central differences of the loss. All of it runs in float64.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from bpjax.backprop import (
    outputs_of,
)
from bpjax.connections import Key
from bpjax.loss import HalfSquaredError, Loss, of_loss
from bpjax.network import Network
from bpjax.oracles import Gradient, JaxSide, jax_side
from bpjax.params import (
    Params,
)
from bpjax.presentation import part_size, shown_cases
from bpjax.problems import (
    Problem,
    initial_problem,
    is_least_at_targets,
)
from bpjax.surroundings import pinned
from bpjax.task import Task
from bpjax.witness import all_activations, gradient, loss_value
from bpjax.witness import seen_by_loss as seen_by_witness

DIFFERENCE_TOLERANCE = 1e-8
"""Differences can do no better: rounding and curvature leave about 1e-9 even at the best step."""
LARGE, HUGE = 50_000, 300_000


class ConnectionCheck(NamedTuple):
    """How well the hand-derived gradient of one connection agrees with each oracle.

    A relative difference is the largest |difference| among the connection's entries over the
    largest among them of the sums that equations (6) and (7) would have if all that they add up
    had one sign: the more of a sum cancels, the fewer digits it can have. Zero against zero is no
    difference.

    Attributes:
      name: "input -> hidden" or "bias hidden"; "inputs" is dE/dy of the input layers.
      num_parameters: how many numbers can change; masked entries and inputs do not count.
      largest_gradient: largest |dE/dw|.
      versus_jax: relative difference to `jax.grad` of the plain passes; or, if that is larger, of
        `jax.grad` through `forward` or of `value_and_grad` to it.
      versus_numpy: relative difference to the witness, which is given the same activations; or, if
        that is larger, of the activations of the layer entered, or of the loss.
      versus_differences: relative difference to central differences of the loss, of derivatives to
        which no `flat_spot` is added. Rounding hides
        a small gradient from them: they are relative to at least a thousandth of the loss or of
        its square root, whichever is larger.
      ok: whether the first two are within the tolerance, and the last in `DIFFERENCE_TOLERANCE`.
    """

    name: str
    num_parameters: int
    largest_gradient: float
    versus_jax: float
    versus_numpy: float
    versus_differences: float
    ok: bool


def check_gradients(
    network: Network,
    params: Params,
    inputs: Any,
    targets: Any,
    loss: Loss = HalfSquaredError(),  # noqa: B008  (frozen)
    tolerance: float = 1e-12,
) -> list[ConnectionCheck]:
    """Check the hand-derived gradient of every connection, element by element, in float64.

    Args:
      network: the net.
      params: its weights and biases, in any precision.
      inputs: shape (num_cases, num_in).
      targets: shape (num_cases, num_out).
      loss: half the summed squared error, unless given; a loss of the user's own is judged by
        `jax.grad` and differences only: the witness takes it at its word.
      tolerance: largest relative difference to `jax.grad` and to the witness.

    Returns:
      One check per connection, one per layer with biases, and one for the inputs.

    Raises:
      SettingError: for cases that do not fit the network, or a network with delayed connections.

    Example:
      >>> import bpjax
      >>> task = bpjax.tasks.xor()
      >>> params = bpjax.init_params(task.network, bpjax.run_key(7), init_range=0.5)
      >>> checks = check_gradients(task.network, params, task.inputs, task.targets)
      >>> [check.name for check in checks if check.ok]
      ['input -> hidden', 'hidden -> output', 'bias hidden', 'bias output', 'inputs']
    """
    with pinned("float64"):
        problem = _in_float64(Problem(network, params, inputs, targets, loss))
        return _check(problem, tolerance)


def check_task(
    task: Task,
    seeds: Iterable[int] | None = None,
    init_ranges: Sequence[float] | None = None,
    tolerance: float = 1e-12,
) -> list[ConnectionCheck]:
    """Check the gradient of a task at many points and return the worst of each connection.

    The points are the initial weights of every seed in every range, wide enough to saturate units,
    and one point per seed at which every target is met: there every gradient must be exactly zero,
    unless the loss calls even such an answer wrong, as one measured from a margin does. A loss that
    is written in total inputs has no such point.

    Where weights change within an epoch, the cases are those that the run shows before its first
    change and before the last one of its first epoch.

    Of a task with more than `LARGE` parameters, copies counted, times cases, only one seed is taken
    unless others are given; of one with more than `HUGE`, only some cases, at equal distances. The
    witness goes through all of them in loops.

    Args:
      task: the task.
      seeds: names of the runs whose initial weights are taken: 0 to 2, unless given.
      init_ranges: the task's own range, 10 and 30, unless given; 3 and 10 for an iterated net,
        whose every step multiplies them: at 30 its loss is too steep for central differences.
        Weights that no range changes are taken as they are, then so many times as large.
      tolerance: as in `check_gradients`.
    """
    network = task.network
    copies = network.num_parameters * network.iterations
    if seeds is None:
        seeds = (0,) if copies * task.num_cases > LARGE else (0, 1, 2)
    wide = (10.0, 30.0) if network.iterated is None else (3.0, 10.0)
    init_ranges = (task.recipe.init_range, *wide) if init_ranges is None else init_ranges
    uses_range = getattr(task.recipe.initializer, "uses_range", True)
    some = slice(None, None, -(-copies * task.num_cases // HUGE))

    rounds = []
    for seed, rows in [(each, rows) for each in seeds for rows in _shown_at_once(task, each)]:

        def problem_at(init_range: float, seed: int = seed, rows: Any = rows[some]) -> Problem:
            problem = initial_problem(task, seed, init_range)
            times = 1.0 if uses_range or init_range == init_ranges[0] else init_range
            return problem._replace(
                params=jax.tree.map(lambda w: times * np.asarray(w), problem.params),
                inputs=problem.inputs[rows],
                targets=problem.targets[rows],
            )

        for init_range in init_ranges:
            rounds.append(check_gradients(*problem_at(init_range), tolerance=tolerance))
        if of_loss(task.loss) == "preactivation":
            continue  # the gradient is zero but for rounding, which no oracle shares
        solved = with_zero_error(problem_at(init_ranges[0]))
        checks = check_gradients(*solved, tolerance=tolerance)
        if is_least_at_targets(task.loss):
            checks = [c._replace(ok=c.ok and c.largest_gradient == 0) for c in checks]
        rounds.append(checks)
    return [_worst(checks) for checks in zip(*rounds, strict=True)]


def _shown_at_once(task: Task, seed: int) -> list[np.ndarray]:
    """Return the rows of the cases that a run shows before the first change, and before the last.

    Example:
      >>> from bpjax.tasks import xor
      >>> [rows.tolist() for rows in _shown_at_once(xor().with_settings(updates=3), 0)]
      [[0, 1, 2], [3]]
    """
    with pinned("float64"):
        rows = np.asarray(shown_cases(task.recipe.order, task.num_cases, np.uint32(seed), 0))
    size = part_size(task.recipe.updates, task.num_cases)
    parts = [rows[first : first + size] for first in range(0, task.num_cases, size)]
    return [parts[0], *parts[1:][-1:]]


def with_zero_error(problem: Problem) -> Problem:
    """Return the problem with what the network answers as its targets."""
    with pinned("float64"):
        network, params, inputs, targets, loss = _in_float64(problem)
        # From the compiled program that will check it: another may round the last bit differently.
        activations = jax_side(network, loss, params, inputs, targets).activations
    return problem._replace(targets=outputs_of(network, activations))


def _in_float64(problem: Problem) -> Problem:
    arrays = problem.params, problem.inputs, problem.targets
    params, inputs, targets = jax.tree.map(lambda entry: jnp.asarray(entry, jnp.float64), arrays)
    return problem._replace(params=params, inputs=inputs, targets=targets)


def _check(problem: Problem, tolerance: float) -> list[ConnectionCheck]:
    network, params, inputs, targets, loss = problem
    computed = jax.tree.map(np.asarray, jax_side(network, loss, params, inputs, targets))
    ours = _by_name(network, computed.ours)
    versus_jax = _relative_differences(
        ours,
        _by_name(network, computed.sizes),
        _by_name(network, computed.plain),
        _by_name(network, computed.through_forward),
        _by_name(network, Gradient(computed.through_value_and_grad, computed.ours.inputs)),
    )
    versus_numpy = _versus_witness(problem, computed)
    versus_differences = _versus_differences(network, computed)
    limits = tolerance, tolerance, DIFFERENCE_TOLERANCE
    checks = []
    for name, num_parameters in _num_parameters(network).items():
        relative = versus_jax[name], versus_numpy[name], versus_differences[name]
        # NaN is within no limit.
        ok = all(number <= limit for number, limit in zip(relative, limits, strict=True))
        largest = _largest(ours[name])
        checks.append(ConnectionCheck(name, num_parameters, largest, *relative, ok=ok))
    return checks


def _versus_witness(problem: Problem, computed: JaxSide) -> dict[str, float]:
    network, params, inputs, targets, loss = problem
    params = jax.tree.map(np.asarray, params)  # its loops take one number at a time
    # Near y = 1 one rounding of y is a large part of y (1 - y): judge both on the same y.
    activations = computed.activations
    grads, d_inputs = gradient(network, params, activations, targets, loss)
    theirs = Gradient(grads, jnp.asarray(d_inputs))
    witnessed = all_activations(network, params, inputs)
    value = loss_value(loss, seen_by_witness(network, params, activations, loss), targets)
    versus_loss = _relative(computed.loss, value)
    layers = {name: _relative(activations[name], witnessed[name], 1.0) for name in witnessed}

    entered: dict[str, list[str]] = {}
    for c in network.connections:
        entered.setdefault(_name(c.weight_key), []).append(c.target)
    for layer in network.computed_layers:
        entered.setdefault(_bias_name(layer.bias_key), []).append(layer.name)
    differences = _relative_differences(
        *(_by_name(network, each) for each in (computed.ours, computed.sizes, theirs))
    )
    return {
        name: float(
            np.max([difference, versus_loss, *(layers[entry] for entry in entered.get(name, ()))])
        )
        for name, difference in differences.items()
    }


def _versus_differences(network: Network, computed: JaxSide) -> dict[str, float]:
    derivative = computed.without_flat_spots
    ours = _by_name(network, derivative._replace(inputs=derivative.inputs.sum(axis=0)))
    quotients = _by_name(network, computed.quotients)
    loss = _largest(computed.largest_loss)
    floor = 1e-3 * max(loss, math.sqrt(loss))  # a small error y - d is rounded as y is, not as E
    relative = {}
    for name, entry in ours.items():
        # Curvature, or the jump of a margin rule, spoils long steps; rounding spoils short ones.
        # A wrong gradient agrees with none of them.
        best = np.abs(quotients[name] - entry[None]).argmin(axis=0)[None]
        nearest = np.take_along_axis(quotients[name], best, axis=0)[0]
        relative[name] = _relative(entry, nearest, floor)
    return relative


def _name(key: Key) -> str:
    return " -> ".join(key)


def _bias_name(key: str) -> str:
    return f"bias {key}"


def _by_name(network: Network, gradient: Gradient) -> dict[str, np.ndarray]:
    """Return the parts of a gradient by the name of the check that they belong to."""
    grads, d_inputs = gradient
    weights = {_name(key): np.asarray(grads.weight[key]) for key in network.weights}
    biases = {_bias_name(key): np.asarray(grads.bias[key]) for key in network.biases}
    return {**weights, **biases, "inputs": np.asarray(d_inputs)}


def _num_parameters(network: Network) -> dict[str, int]:
    counts = {_name(key): network.num_weights(c) for key, c in network.weights.items()}
    counts |= {_bias_name(key): layer.size for key, layer in network.biases.items()}
    return counts | {"inputs": 0}


def _relative_differences(
    ours: dict[str, np.ndarray], sizes: dict[str, np.ndarray], *others: dict[str, np.ndarray]
) -> dict[str, float]:
    """Return the largest relative difference of each part to the same part of the others."""
    return {
        name: float(
            np.max([_relative(entry, other[name], _largest(sizes[name])) for other in others])
        )
        for name, entry in ours.items()
    }


def _relative(ours: Any, theirs: Any, floor: float = 0.0) -> float:
    if np.shape(ours) != np.shape(theirs):
        return float("inf")
    difference = _largest(np.subtract(ours, theirs))
    scale = float(np.max([_largest(ours), _largest(theirs), floor]))
    return 0.0 if difference == 0 else difference / scale


def _largest(entry: Any) -> float:
    return float(np.max(np.abs(entry)))


def _worst(checks: Sequence[ConnectionCheck]) -> ConnectionCheck:
    def largest(field: str) -> float:
        return float(np.max([getattr(check, field) for check in checks]))

    return checks[0]._replace(
        largest_gradient=largest("largest_gradient"),
        versus_jax=largest("versus_jax"),
        versus_numpy=largest("versus_numpy"),
        versus_differences=largest("versus_differences"),
        ok=all(check.ok for check in checks),
    )
