"""A block of runs with one array per layer and connection. Serves every network, loss and rule.

The text of `bpjax.backprop` again with the lanes as the last axis: activations are (units, cases,
lanes) and weights (sources, targets, lanes). A matrix product is a sum over rows, each one
multiplication of whole vectors of runs; batched products of such small matrices would spend their
time elsewhere. A few cases at a time go through the net in a loop, so that a weight, once fetched,
serves them all and the rest of the work stays in the cache. Where every case has one input on,
equations (1) and (6) read and write one row instead of all.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from bpjax.connections import Layer
from bpjax.epoch import Evaluation, Learner, Program, RunState, Settings, learn_if
from bpjax.errors import SettingError
from bpjax.layouts.lanes import Arithmetic, Layout, Passes, output_errors, total, train
from bpjax.params import Params, weight_gradient, weight_matrix
from bpjax.precision import full_precision
from bpjax.presentation import fixed_parts, shown_cases
from bpjax.task import Task

MOST_ROWS = 64
"""Sums of more rows than this are left to the compiler's matrix product."""

OUTPUTS_AT_ONCE = 8
"""So many outputs of cases go through the net together, or one case; more gained nothing."""
MOST_CASES_AT_ONCE = 4

Rows = dict[str, Any]
"""One array per layer, (units, cases, lanes)."""


class Cases(NamedTuple):
    """The cases of a task in groups of a few, taken apart by input layer.

    Attributes:
      inputs: per input layer (groups, cases, size), or (groups, cases) whole numbers: the one unit
        that is on in each case.
      targets: (groups, cases, num_out).
    """

    inputs: dict[str, Any]
    targets: Any


def cases_of(task: Task, program: Program) -> Cases:
    """Return the cases in the form that `evaluate` takes; one after the other if order is drawn."""
    ends = np.cumsum([layer.size for layer in task.network.input_layers])
    parts = np.split(task.inputs, ends[:-1], axis=1)
    inputs = {
        layer.name: part.astype(program.dtype)
        if program.order != "fixed"
        else _one_on(part, program.dtype)
        for layer, part in zip(task.network.input_layers, parts, strict=True)
    }
    together = 1
    if program.updates != "case":
        most = min(MOST_CASES_AT_ONCE, max(1, OUTPUTS_AT_ONCE // task.network.num_out))
        together = max(k for k in range(1, most + 1) if task.num_cases % k == 0)
    cases = Cases(inputs, task.targets.astype(program.dtype))
    return jax.tree.map(lambda table: table.reshape(-1, together, *table.shape[1:]), cases)


def _one_on(inputs: np.ndarray, dtype: str) -> np.ndarray:
    on = inputs == 1
    if np.all(on | (inputs == 0)) and np.all(on.sum(axis=1) == 1):
        return inputs.argmax(axis=1).astype(np.int32)
    return inputs.astype(dtype)


def take_apart(tree: Any) -> Any:
    """Return the arrays themselves."""
    return tree


put_together = take_apart


def evaluate(
    arithmetic: Arithmetic, cases: Cases, settings: Settings, params: Params, trained: Any
) -> Evaluation:
    """Return loss, criterion and gradient of all lanes: equations (1) to (7), summed over cases."""
    passes = _Net(arithmetic, params)
    learns = arithmetic.program.updates == "batch"
    threshold, counted = settings.threshold, _in_groups(cases, trained)

    def one_group(k: Any, carry: Any) -> Any:
        loss, right, sums, before = carry
        if learns:  # the last group's, which a new turn of the loop finds in memory
            sums = passes.add_gradient(sums, before)
        case = _group(cases, k)
        activations = passes.forward(case)
        outputs = passes.outputs(activations)
        total_inputs = passes.total_inputs_of_outputs(case, activations)
        value, d_outputs, near = output_errors(
            arithmetic, outputs, total_inputs, case.targets, threshold, _group(counted, k)
        )
        if learns:
            before = case.inputs, activations, passes.backward(case, activations, d_outputs)
        return loss + value, right & near, sums, before

    zero = jnp.zeros_like(threshold)
    sums, before = (passes.zeros(), passes.nothing(_group(cases, 0))) if learns else (None, None)
    carry = (zero, zero == 0, sums, before)
    loss, right, sums, before = lax.fori_loop(0, len(cases.targets), one_group, carry)
    grads = passes.gradient(passes.add_gradient(sums, before)) if learns else None
    holds = right if arithmetic.program.criterion_kind == "tolerance" else loss < threshold
    return Evaluation(loss, holds, grads)


def learn_by_parts(
    arithmetic: Arithmetic,
    num_cases: int,
    cases: Cases,
    runs: RunState,
    learner: Learner,
    learn: Callable[[Any, Learner], Learner],
) -> Learner:
    """Show the cases of an epoch in parts, and change the weights of all lanes after each."""
    parts, there = fixed_parts(arithmetic.program.updates, num_cases)
    cases = jax.tree.map(lambda table: table.reshape(num_cases, *table.shape[2:]), cases)
    part_at = _part_for_all if runs.seed is None else _part_for_each
    part_of_epoch = part_at(arithmetic.program, cases, parts, runs)
    alone = parts.shape[1] == 1

    def one_part(k: Any, learner: Learner) -> Learner:
        passes, (part, counts) = _Net(arithmetic, learner[0]), part_of_epoch(k)
        if there is not None:
            real = jnp.asarray(there)[k][:, None]
            counts = jnp.broadcast_to(real, (*real.shape[:1], passes.num_lanes)) & (
                True if counts is None else counts
            )
        activations = passes.forward(part)
        outputs = passes.outputs(activations)
        total_inputs = passes.total_inputs_of_outputs(part, activations)
        nowhere = jnp.zeros_like(outputs[0, 0])
        masked = None if alone else counts  # alone it is left out as a whole, below
        _, d_outputs, _ = output_errors(
            arithmetic, outputs, total_inputs, part.targets, nowhere, masked
        )
        passed = part.inputs, activations, passes.backward(part, activations, d_outputs)
        grads = passes.gradient(passes.add_gradient(passes.zeros(), passed))
        any_counts = None if counts is None else jnp.any(counts, axis=0)
        return learn_if(any_counts, functools.partial(learn, grads), learner)

    return lax.fori_loop(0, len(parts), one_part, learner)


PartAt = Callable[[Any], tuple[Cases, Any]]
"""Of the number of a part: its cases, and which of them count in which lane; None for all."""


def _part_for_all(program: Program, cases: Cases, parts: Any, runs: RunState) -> PartAt:
    """Return what shows all lanes the same cases."""
    del program
    rows = jnp.asarray(parts)
    return lambda k: _taken((cases, runs.trained), rows[k])


def _part_for_each(program: Program, cases: Cases, parts: Any, runs: RunState) -> PartAt:
    """Return what shows every lane the cases in its own order; these have the lanes last."""
    draw = functools.partial(shown_cases, program.order, len(cases.targets))
    rows = jax.vmap(draw, out_axes=-1)(runs.seed, runs.epoch)[parts]  # (parts, size, lanes)

    def part_at(k: Any) -> tuple[Cases, Any]:
        part = jax.tree.map(lambda table: jnp.moveaxis(jnp.asarray(table)[rows[k]], -1, 0), cases)
        if runs.trained is None:
            return part, None
        return part, jnp.take_along_axis(runs.trained, rows[k], axis=0)

    return part_at


def _taken(tables: Any, rows: Any) -> Any:
    return jax.tree.map(lambda table: jnp.asarray(table)[rows], tables)


def _group(tables: Any, k: Any) -> Any:
    return jax.tree.map(
        lambda table: lax.dynamic_index_in_dim(jnp.asarray(table), k, keepdims=False), tables
    )


def _in_groups(cases: Cases, trained: Any) -> Any:
    if trained is None:
        return None
    return trained.reshape(*cases.targets.shape[:2], trained.shape[-1])


class _Net:
    """Forward and backward pass of a group of cases at given parameters, for all lanes."""

    def __init__(self, arithmetic: Arithmetic, params: Params):
        self.arithmetic, self.network = arithmetic, arithmetic.network
        self.bias = params.bias
        self.weight = {
            key: weight_matrix(c, params.weight[key]) for key, c in self.network.weights.items()
        }
        if any(c.delay for c in self.network.connections):
            raise SettingError("delay", "must be 0 everywhere in a layered pass", 1)
        self.num_lanes = next(iter(self.weight.values())).shape[-1]

    def forward(self, case: Cases) -> Rows:
        """Return the activations of the computed layers: equations (1) and (2)."""
        activations: Rows = {}
        for layer in self.network.computed_layers:
            x = self.total_input(case, activations, layer)
            activations[layer.name] = self.arithmetic.units[layer.name].activate(x, axis=0)  # (2)
        return activations

    def total_input(self, case: Cases, activations: Rows, layer: Layer) -> Any:
        """Return the total inputs of a layer, (size, cases, lanes): equation (1)."""
        terms = [self.bias[layer.bias_key][:, None]] if layer.bias else []
        for c in self.network.incoming[layer.name]:
            source = activations.get(c.source, case.inputs.get(c.source))
            terms += _weighted(self.weight[c.weight_key], source)  # (1)
        return total(terms)

    def total_inputs_of_outputs(self, case: Cases, activations: Rows) -> Any:
        """Return those of the output layers, like `outputs`; None where the loss has no use."""
        if self.arithmetic.loss_is_of == "activation":
            return None
        layers = self.network.output_layers
        return jnp.concatenate([self.total_input(case, activations, layer) for layer in layers])

    def outputs(self, activations: Rows) -> Any:
        """Return the activations of the output layers, (num_out, cases, lanes)."""
        layers = self.network.output_layers
        return jnp.concatenate([activations[layer.name] for layer in layers])

    def backward(self, case: Cases, activations: Rows, d_outputs: Any) -> Rows:
        """Return dE/dx of the computed layers: equations (5) and (7)."""
        ends = np.cumsum([layer.size for layer in self.network.output_layers])
        parts = jnp.split(d_outputs, ends[:-1])
        entering = dict(zip(self.network.outputs, parts, strict=True))
        of_y = self.arithmetic.loss_is_of == "activation"
        d_activations, d_total_inputs = (entering, {}) if of_y else ({}, entering)
        signals: Rows = {}
        for layer in reversed(self.network.computed_layers):
            if layer.name not in d_activations:
                signal = d_total_inputs.get(layer.name)
                if signal is None:  # it leads nowhere
                    signal = jnp.zeros_like(activations[layer.name])
            else:
                signal = self._through_units(case, activations, layer, d_activations[layer.name])
                if layer.name in d_total_inputs:
                    signal = signal + d_total_inputs[layer.name]
            signals[layer.name] = signal
            for c in self.network.incoming[layer.name]:
                if c.source in activations:
                    carried = _carried_back(self.weight[c.weight_key], signal)  # (7)
                    there = d_activations.get(c.source)
                    d_activations[c.source] = carried if there is None else there + carried
        return signals

    def _through_units(self, case: Cases, activations: Rows, layer: Layer, d_y: Any) -> Any:
        unit = self.arithmetic.units[layer.name]
        of_y = unit.of == "activation"
        seen = activations[layer.name] if of_y else self.total_input(case, activations, layer)
        return unit.carry_back(d_y, seen, axis=0)  # (5)

    def add_gradient(self, sums: Any, passed: tuple[Any, Rows, Rows]) -> Any:
        """Return the sums with one group of cases more: equation (6)."""
        inputs, activations, signals = passed
        weights, biases = map(dict, sums)
        for c in self.network.connections:
            source = activations.get(c.source, inputs.get(c.source))
            weights[c.weight_key] = _add_outer(weights[c.weight_key], source, signals[c.target])
        for layer in self.network.computed_layers:
            if layer.bias:
                changes = _by_case(signals[layer.name])
                biases[layer.bias_key] = total([biases[layer.bias_key], *changes])
        return weights, biases

    def zeros(self) -> Any:
        """Return the sums before the first group."""
        return jax.tree.map(jnp.zeros_like, (self.weight, self.bias))

    def nothing(self, case: Cases) -> tuple[Any, Rows, Rows]:
        """Return what adds nothing to the sums."""
        shape, dtype = (len(case.targets), self.num_lanes), self.arithmetic.dtype
        rows = {
            layer.name: jnp.zeros((layer.size, *shape), dtype)
            for layer in self.network.computed_layers
        }
        return jax.tree.map(jnp.zeros_like, case.inputs), rows, rows

    def gradient(self, sums: Any) -> Params:
        """Return the sums in the shape of the parameters: masks applied, ties summed."""
        weights, biases = sums
        return Params(
            {key: weight_gradient(c, weights[key]) for key, c in self.network.weights.items()},
            biases,
        )


@full_precision
def _weighted(weight: Any, source: Any) -> list[Any]:
    """Return the terms of equation (1) from one layer, each (targets, cases, lanes).

    Args:
      weight: (sources, targets, lanes).
      source: activations (sources, cases, lanes) or, of an input layer, as in `Cases`.
    """
    if source.ndim == 1:  # one input is on
        rows = [lax.dynamic_index_in_dim(weight, unit, keepdims=False) for unit in source]
        return [jnp.stack(rows, axis=1)]
    if len(weight) > MOST_ROWS:
        subscripts = "ijb,ci->jcb" if source.ndim == 2 else "ijb,icb->jcb"
        return [jnp.einsum(subscripts, weight, source)]
    if source.ndim == 2:
        return [source[:, i][None, :, None] * row[:, None] for i, row in enumerate(weight)]
    return [source[i][None] * row[:, None] for i, row in enumerate(weight)]


@full_precision
def _carried_back(weight: Any, signal: Any) -> Any:
    """Return equation (7) for one connection, (sources, cases, lanes)."""
    if len(signal) > MOST_ROWS:
        return jnp.einsum("ijb,jcb->icb", weight, signal)
    return total([weight[:, j][:, None] * row[None] for j, row in enumerate(signal)])


def _add_outer(sums: Any, source: Any, signal: Any) -> Any:
    """Return `sums`, (sources, targets, lanes), with equation (6) for one connection and group."""
    if source.ndim == 1:
        for unit, change in zip(source, _by_case(signal), strict=True):
            row = lax.dynamic_index_in_dim(sums, unit) + change[None]
            sums = lax.dynamic_update_index_in_dim(sums, row, unit, 0)
        return sums
    if source.ndim == 2:
        activations = [case[:, None, None] for case in source]
    else:
        activations = [case[:, None] for case in _by_case(source)]
    changes = [y * dx[None] for y, dx in zip(activations, _by_case(signal), strict=True)]
    return total([sums, *changes])


def _by_case(rows: Any) -> list[Any]:
    """Return (units, lanes) for every case of a group."""
    return [rows[:, k] for k in range(rows.shape[1])]


PASSES = Passes(take_apart, put_together, evaluate, learn_by_parts)
LAYOUT = Layout(
    cases_of=cases_of,
    advance=functools.partial(train, PASSES),
    is_best=lambda *_: True,  # of those that `LAYOUTS` has left
)
