"""From an identity back to its task and its plan, without the file or the program that made them.

The way back of `Task.describe` and `Plan.identity`. What a user brought as Python objects is told
by a fingerprint and cannot be made again; all else is numbers and words, and those are all there.
"""

import ast
import dataclasses
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import bpjax.loss as loss
import bpjax.starts.initial as initial
import bpjax.starts.plane as plane
from bpjax.connections import Connection, Layer
from bpjax.criteria import Criterion
from bpjax.network import Network
from bpjax.recipe import Recipe
from bpjax.results.identity import as_stored, differences
from bpjax.results.schema import tasks_of
from bpjax.schedule import Schedule
from bpjax.sweeps.plan import Plan, Shard
from bpjax.sweeps.planning import make_plan
from bpjax.task import CRITERION_SETTINGS, Task

_OF_THE_MACHINE = (
    "xla_flags",
    "matmul_precision",
    "jax_settings",
    "cpu",
    "platform_version",
    "variables",
    "bpjax",
    "jax",
    "jaxlib",
    "optax",
    "device_kind",
)
_LONGEST = 1000
"""Characters of a loss or an initialiser in words."""


def told_task(told: Mapping[str, Any], texts: Mapping[str, str] | None = None) -> Task | None:
    """Return the task that a description tells of.

    Args:
      told: from `Task.describe`, as it is read back from JSON.
      texts: `title` and `source` of the task, which no description has.

    Returns:
      The task, with no other options, names and pictures than are told; None if something in it is
      told by a fingerprint, or is unknown to this version.

    Example:
      >>> from bpjax.tasks import xor
      >>> told_task(xor(hidden=3).describe()).network.describe()
      '2-3-1'
    """
    try:
        return _task(told, {} if texts is None else texts)
    except _FOREIGN:
        return None


_FOREIGN = (
    *(TypeError, ValueError, LookupError, AttributeError, ArithmeticError),
    *(SyntaxError, RecursionError, MemoryError),  # of words that another hand has written
)


def told_plan(identity: Mapping[str, Any]) -> Plan | None:
    """Return the plan of a sweep or run, as far as this machine can follow it.

    Args:
      identity: of the shape `bpjax.results.schema.IDENTITY`.

    Returns:
      The plan, whose own identity may still differ by what the machine adds; None where `told_task`
      returns None.

    Example:
      >>> from bpjax.tasks import xor
      >>> told_plan(make_plan(xor(), 100, momentum=[0.5, 0.9]).identity()).grid
      {'momentum': (0.5, 0.9)}
    """
    tasks = [task for told in tasks_of(identity) if (task := told_task(told)) is not None]
    names = [name for name in identity["columns"] if name in identity["grid"]]
    if len(tasks) < len(tasks_of(identity)) or len(names) < len(identity["grid"]):
        return None
    try:
        grid = {name: [_setting(name, value) for value in identity["grid"][name]] for name in names}
        plan = plan_like(identity, tasks, grid)
        return plan if same_runs(plan.identity(), identity) else None
    except _FOREIGN:
        return None


def plan_like(
    identity: Mapping[str, Any], variants: Sequence[Task], settings: Mapping[str, Any]
) -> Plan:
    """Return a plan of other tasks and settings that is laid out as an identity tells."""
    shard, seeds = identity["shard"], tuple(map(tuple, identity["seeds"]))
    points = identity.get("points")
    if points is not None and len(variants) > 1:
        variants = [variants[k] for k in points]
    plan = make_plan(
        variants,
        1,
        first_seed=seeds[-1][1] - 1,  # there must be as many
        precision=identity["precision"],
        implementation=identity["implementation"],
        block_size=identity["block_size"],
        keep_weights=identity["weight_names"] is not None,
        summary_only=identity["rows"] == "counts",
        zipped=points is not None,
        **settings,
    )
    return dataclasses.replace(
        plan,
        seeds=seeds,
        shard=None if shard is None else Shard(**shard),
        implementation=identity["implementation"],  # that could be had there, if not here
    )


def same_runs(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell whether two identities are of the same runs, whatever machine makes them.

    A shard that has grown may have others of its seeds than one that is made anew.
    """
    machine = (*_OF_THE_MACHINE, "runs")
    kept = [{k: v for k, v in each.items() if k not in machine} for each in (one, other)]
    return not any(differences(as_stored(kept[0]), as_stored(kept[1])))


def _task(told: Mapping[str, Any], texts: Mapping[str, str]) -> Task:
    if told.get("units"):
        raise ValueError
    held_out = told["held_out"]
    return Task(
        _network(told["network"]),
        told["inputs"],
        told["targets"],
        name=told["name"],
        title=texts.get("title", ""),
        options={
            name: tuple(value) if isinstance(value, list) else value
            for name, value in told["options"].items()
        },
        recipe=Recipe(**{name: _setting(name, value) for name, value in told["recipe"].items()}),
        source=texts.get("source", ""),
        criterion=_criterion(told["criterion"]),
        loss=told_loss(told["loss"]),
        held_out=held_out if isinstance(held_out, int) else tuple(held_out),
    )


def _network(told: Mapping[str, Any]) -> Network:
    connections = []
    for connection in told["connections"]:
        copy_of = connection["copy_of"]
        copy_of = None if copy_of is None else tuple(copy_of)
        connections.append(Connection(**{**connection, "copy_of": copy_of}))
    layers = [Layer(**layer) for layer in told["layers"]]
    iterated = told["iterated"] and _network(told["iterated"])
    return Network(layers, connections, told["outputs"], iterated, told["iterations"])


def _setting(name: str, value: Any) -> Any:
    if name == "initializer":
        return _made(value, initial, plane)
    if name in ("learning_rate", "momentum", "weight_decay") and isinstance(value, str):
        return _schedule(value)
    return value


def _schedule(told: str) -> Schedule:
    """Return a schedule from its words.

    Example:
      >>> _schedule(str(Schedule((0.005, 0.01), (20,)))).changes
      (20,)
    """
    pieces = [piece.partition(" from ") for piece in told.split(", ")]
    values = tuple(float(value) for value, _, _ in pieces)
    return Schedule(values, tuple(int(change) for _, _, change in pieces[1:]))


def _criterion(told: str) -> Criterion:
    words, _, threshold = told.rpartition(" ")
    kind = CRITERION_SETTINGS[words.replace(" ", "_")]
    return Criterion(kind, float(threshold))  # type: ignore[arg-type]


def told_loss(told: str) -> Any:
    """Return a loss from its words; ValueError, or one like it, for what is none of ours."""
    return _made(told, loss)


def _made(told: str, *modules: ModuleType) -> Any:
    """Return a dataclass of some of our modules from its words; nothing else is ever called.

    Example:
      >>> _made("MarginSquaredError(on=0.8, off=0.2)", loss).off
      0.2
    """
    if len(told) > _LONGEST:
        raise ValueError
    return _called(ast.parse(told, mode="eval").body, modules)


def _called(call: ast.expr, modules: Sequence[ModuleType]) -> Any:
    if not isinstance(call, ast.Call):
        return ast.literal_eval(call)
    if not isinstance(call.func, ast.Name) or call.args:
        raise ValueError
    for module in modules:
        made = vars(module).get(call.func.id)
        if dataclasses.is_dataclass(made) and made.__module__ == module.__name__:
            given = {word.arg: _called(word.value, modules) for word in call.keywords}
            return made(**given)  # type: ignore[operator, arg-type]
    raise LookupError(call.func.id)
