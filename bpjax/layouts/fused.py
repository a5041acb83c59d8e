"""A block of runs as one GPU kernel: a run is one thread and stays in its registers for a stride.

The epoch is that of `unrolled`, traced into a Pallas kernel for Mosaic GPU. Each thread reads the
weights, velocities and settings of its run, makes all epochs of the stride, judging its run every
time and freezing it once it has ended, and writes back once. No thread talks to another.

What is known, and how. Nobody has run this on a GPU yet. The arithmetic is tested on a CPU in
Pallas' interpreter, every kind of net, rule and recipe that is served against `epoch.step`. The
kernel lowers for CUDA without a GPU and without CUDA (jax 0.10.2 and 0.12.0), which is tested too:
what JAX writes down is a Mosaic module, and only the CUDA plugin turns that into machine code.
`experiments.gpu_code` describes an H100 that is not there to that plugin and counts what it makes:
an epoch of XOR is 346 instructions without a branch in 72 registers; the encoder 8-3-8 takes all
255 and keeps 40 numbers in local memory.

`pl.pallas_call` reaches Mosaic GPU no more in jax 0.12, `mosaic_gpu.kernel` does in both. Pallas'
other backend for GPUs, Triton, is deprecated and refuses there to lower without a device.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl

from bpjax.epoch import Program, RunState, Settings
from bpjax.held_out import as_answered
from bpjax.layouts import lanes, unrolled
from bpjax.layouts.lanes import Arithmetic, Layout, counted, total
from bpjax.learning import name_of, numbers_remembered

THREADS = 128
"""Lanes of a block of the kernel: Mosaic's unit is four warps, here with a run in each thread."""

LARGEST_STATE = 224
"""Numbers that a run may need at once; a thread of an NVIDIA GPU has 255 registers of 32 bits. With
more, weights would go to local memory and back every epoch, which the kernel is there to avoid.
"""

OPTIMIZERS = (
    *("paper", "sgd", "nesterov", "adagrad", "rmsprop", "rprop", "quickprop", "delta-bar-delta"),
)
"""All but Adam and its kin: these take the powers of their rates, which Mosaic cannot lower."""

HOPPER = 9.0
"""Compute capability of the first cards that Mosaic GPU serves."""


# ---- what it serves ------------------------------------------------------------------------------


def why_not(program: Program, num_cases: int) -> str | None:
    """Return why a program cannot be served on any device, None if it can."""
    refused = unrolled.why_not(program, num_cases)
    if refused is not None:
        return refused
    if name_of(program.optimizer) not in OPTIMIZERS:
        return f"the optimizer must be one of {', '.join(OPTIMIZERS)}"
    if not hasattr(program.loss, "unit_values"):
        return "the loss must have a method `unit_values`"
    needed = numbers_of_a_run(program)
    if needed > LARGEST_STATE:
        return f"a run must need at most {LARGEST_STATE} numbers at once, not {needed}"
    return None


def numbers_of_a_run(program: Program) -> int:
    """Return about how many numbers a thread holds: what it carries, gradients, one case's units.

    Example:
      >>> from bpjax.epoch import program_of
      >>> from bpjax.tasks import encoder, xor
      >>> [numbers_of_a_run(program_of(task)) for task in (xor(), encoder())]
      [46, 212]
    """
    network = program.network
    name = name_of(program.optimizer)
    copies = 1 + (1 if name is None else numbers_remembered(name))
    units = sum(layer.size for layer in network.computed_layers)
    words = 2 if program.dtype == "float64" else 1
    return words * ((copies + 1) * network.num_parameters + 2 * units) + OTHER_NUMBERS


OTHER_NUMBERS = 13
"""Status, epoch, loss, settings, limits and the like."""


def why_not_here() -> str | None:
    """Return why the devices of this process cannot run the kernel, None if they can."""
    device = jax.local_devices()[0]
    needs = "it needs an NVIDIA GPU of the Hopper generation or newer"
    if device.platform != "gpu":
        return f"{needs}, and JAX runs on {device.platform} here"
    capability = getattr(device, "compute_capability", "0")
    try:
        served = float(capability) >= HOPPER
    except ValueError:  # a card of another maker: "gfx90a"
        served = False
    return None if served else f"{needs}, and this is {device.device_kind} ({capability})"


# ---- a stride of epochs --------------------------------------------------------------------------


def advance(
    arithmetic: Arithmetic,
    num_cases: int,
    cases: unrolled.ConstantCases,
    max_epochs: Any,
    num_epochs: Any,
    settings: Settings,
    runs: RunState,
) -> RunState:
    """Make `num_epochs` epochs with every run that has not ended, as `lanes.train` does.

    On a CPU the kernel is interpreted, slowly: for tests.
    """
    trained = None if runs.trained is None else runs.trained.astype(jnp.int32)
    fixed = unrolled.take_apart((settings, trained))
    moving = unrolled.take_apart(runs._replace(trained=None))
    rows, shape = jax.tree.flatten(jax.tree.map(_whole_blocks, (fixed, moving)))
    written, runs_shape = jax.tree.flatten(jax.tree.map(_whole_blocks, moving))
    outputs = [jax.ShapeDtypeStruct(row.shape, row.dtype) for row in written]
    kernel = functools.partial(_kernel, arithmetic, num_cases, cases, shape)
    launch = _interpreted if arithmetic.platform == "cpu" else _on_card
    limits = jnp.stack([num_epochs, max_epochs]).astype(jnp.int32)
    written = launch(kernel, outputs)(limits, *rows)
    rows = [row[: runs.epoch.size] for row in written]
    return unrolled.put_together(jax.tree.unflatten(runs_shape, rows))._replace(
        trained=runs.trained
    )


def _whole_blocks(row: Any) -> Any:
    """Return a row with as many lanes as whole blocks have; nobody looks at what these compute."""
    return jnp.pad(row, (0, -row.size % THREADS))


def _kernel(
    arithmetic: Arithmetic,
    num_cases: int,
    cases: unrolled.ConstantCases,
    shape: Any,
    block: Any,
    limits: Any,
    *refs: Any,
) -> None:
    """Read the runs of one block, make their epochs, write them back."""
    here = pl.ds(block * THREADS, THREADS)
    read, write = refs[: shape.num_leaves], refs[shape.num_leaves :]
    (settings, trained), runs = jax.tree.unflatten(shape, [ref[here] for ref in read])
    trained = jax.tree.map(lambda counts: counts != 0, trained)
    num_epochs, max_epochs = limits[0], limits[1]
    one_epoch = lanes.epoch_of(_PASSES, arithmetic, num_cases, cases, max_epochs)

    def again(_: Any, runs: RunState) -> RunState:
        return one_epoch(settings, runs._replace(trained=trained))._replace(trained=None)

    runs = lax.fori_loop(0, num_epochs, again, runs)
    for ref, row in zip(write, jax.tree.leaves(runs), strict=True):
        ref[here] = row


def _errors_of_case(
    arithmetic: Arithmetic,
    units: list[Any],
    total_inputs: list[Any] | None,
    targets: tuple[float, ...],
    threshold: Any,
    counts: Any,
) -> tuple[Any, list[Any], Any]:
    """Return loss, derivative and rightness of a case; Mosaic knows vectors of lanes, no others."""
    loss: Any = arithmetic.loss
    values, d_outputs, near = [], [], []
    for k, (activation, number) in enumerate(zip(units, targets, strict=True)):
        target = jnp.full_like(activation, number)
        y = as_answered(activation, target, counts)
        seen, masked = (y, None) if total_inputs is None else (total_inputs[k], counts)
        values.append(counted(masked, loss.unit_values(seen, target)))  # (3)
        d_outputs.append(counted(masked, loss.derivative(seen, target)))  # (4)
        near.append(jnp.abs(y - target) < threshold)
    return total(values), d_outputs, functools.reduce(jnp.logical_and, near)


_PASSES = unrolled.PASSES._replace(
    evaluate=functools.partial(unrolled.evaluate, errors=_errors_of_case),
    learn_by_parts=functools.partial(unrolled.learn_by_parts, errors=_errors_of_case),
)
"""The passes of `unrolled`, but for how a case's errors are written."""


# ---- the two ways to start it --------------------------------------------------------------------

Launch = Callable[..., Any]


def _on_card(kernel: Callable[..., None], outputs: list[jax.ShapeDtypeStruct]) -> Launch:
    from jax.experimental.pallas import mosaic_gpu  # not there on every platform

    def body(*refs: Any) -> None:
        kernel(lax.axis_index("block"), *refs)

    grid = (outputs[0].shape[0] // THREADS,)
    return mosaic_gpu.kernel(body, out_type=outputs, grid=grid, grid_names=("block",))


def _interpreted(kernel: Callable[..., None], outputs: list[jax.ShapeDtypeStruct]) -> Launch:
    def body(*refs: Any) -> None:
        kernel(pl.program_id(0), *refs)

    grid = (outputs[0].shape[0] // THREADS,)
    return pl.pallas_call(body, out_shape=outputs, grid=grid, interpret=True)


LAYOUT = Layout(unrolled.cases_of, advance, why_not=why_not, why_not_here=why_not_here)
"""Never the best, until it has been measured."""
