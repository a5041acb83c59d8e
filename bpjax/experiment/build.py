"""From an experiment file to its task."""

import itertools
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bpjax.connections import Connection, Layer
from bpjax.display import Display
from bpjax.errors import ExperimentError, SettingError
from bpjax.experiment.cases import Cases, Data, cases_of, read_data
from bpjax.experiment.document import (
    Document,
    Tables,
    defaults_of,
    read_document,
    with_options,
)
from bpjax.experiment.kinds import is_name
from bpjax.experiment.parts import loss_of, recipe_of
from bpjax.network import Network
from bpjax.task import Task

MOST_WEIGHTS = 2**26
"""Of a net: what is checked and trained holds them several times."""
ONE = "one"
"""The extra input that is always 1: its tied weights are the one bias of a layer."""


class Experiment(NamedTuple):
    """An experiment file, ready to make tasks.

    Attributes:
      options: what may be set, with defaults.
      make: returns the task; its keyword arguments are options.
    """

    options: dict[str, Any]
    make: Callable[..., Task]


def read_experiment(file: str) -> Experiment:
    """Return the experiment that a TOML file describes.

    Args:
      file: its name; files that it names are beside it.

    Raises:
      ExperimentError: if anything in it breaks a rule, as far as no option can change it.
    """
    document = read_document(file)
    defaults, read = defaults_of(document), dict[str, Data]()

    def make(**given: Any) -> Task:
        tables = with_options(document, given)
        table = tables["cases"]
        key = repr([table[name] for name in _READ_BY])
        if key not in read:
            read[key] = read_data(file, document.folder, table)
        return _task(document, tables, cases_of(file, read[key], table), {**defaults, **given})

    return Experiment(defaults, make)


_READ_BY = ("file", "inputs", "targets", "held_out", "header", "skip", "separator")
"""What decides which columns are read: a grid of other options reads its file once."""


def _task(document: Document, tables: Tables, cases: Cases, options: dict[str, Any]) -> Task:
    file, own = document.file, tables[""]
    name = own["name"] or Path(file).stem
    if not is_name(name):
        rule = "must be said, since the name of the file cannot be that of a task"
        raise ExperimentError(file, "`name`", rule, name)
    network, inputs = _network(file, tables["network"], cases)
    names = {"input": cases.input_names, "output": cases.target_names}
    loss = loss_of(file, tables["loss"], [layer.activation for layer in network.output_layers])
    try:
        task = Task(
            network,
            inputs,
            cases.targets,
            name=name,
            title=own["title"],
            options=options,
            loss=loss,
            held_out=cases.held_out,
            source=own["source"],
            open_choices=own["open_choices"],
            display=Display({layer: words for layer, words in names.items() if words}),
        )
        return task.with_settings(**_settings(file, document.folder, tables))
    except ExperimentError:
        raise
    except SettingError as fault:
        raise _in_file(file, tables, fault) from None


def _settings(file: str, folder: Path, tables: Tables) -> dict[str, Any]:
    criterion = {name: value for name, value in tables["criterion"].items() if value is not None}
    if len(criterion) > 1:
        rule = "must have one key of them"
        raise ExperimentError(file, "`criterion`", rule, ", ".join(criterion))
    return {**recipe_of(file, folder, tables["recipe"]), **criterion}


def _in_file(file: str, tables: Tables, fault: SettingError) -> ExperimentError:
    """Return a fault of the library as one of the file, by the key that it is about."""
    for section in ("recipe", "criterion", "cases"):
        if fault.setting in tables[section]:
            return ExperimentError(file, f"`{section}.{fault.setting}`", fault.rule, fault.value)
    return ExperimentError(file, f"`{fault.setting}`", fault.rule, fault.value)


# ---- the net -------------------------------------------------------------------------------------


def _network(file: str, table: Mapping[str, Any], cases: Cases) -> tuple[Network, np.ndarray]:
    """Return the net, and the inputs as it takes them."""
    rows = _layers(file, table, cases.targets.shape[1])
    layers = [Layer("input", cases.inputs.shape[1])]
    layers += [
        Layer(
            row["name"],
            row["size"],
            row["unit"],
            bias=row["bias"] in ("unit", "frozen"),
            frozen_bias=row["bias"] == "frozen",
        )
        for row in rows
    ]
    shared = [row for row in rows if row["bias"] == "layer"]
    connections = _connections(file, table, layers)
    inputs = cases.inputs
    if shared:
        layers.insert(1, Layer(ONE, 1))
        inputs = np.concatenate([inputs, np.ones((len(inputs), 1))], axis=1)
    connections += [Connection(ONE, row["name"], tie=((0,) * row["size"],)) for row in shared]
    try:
        network = Network(layers, connections)
    except SettingError as fault:
        raise ExperimentError(file, f"`network.{fault.setting}`", fault.rule, fault.value) from None
    inputless = [layer.name for layer in network.input_layers if layer.name not in ("input", ONE)]
    if inputless:
        rule = "must enter every layer after the input, and enter not"
        raise ExperimentError(file, "`network.connections`", rule, inputless[0])
    return network, inputs


def _layers(file: str, table: Mapping[str, Any], num_out: int) -> list[dict[str, Any]]:
    """Return the layers after the input, each with name, size, unit and bias."""
    hidden = table["hidden"] if isinstance(table["hidden"], tuple) else (table["hidden"],)
    given = [dict(row) for row in table["layers"]]
    if not given:
        one = len(hidden) == 1
        given = [
            {"name": "hidden" if one else f"hidden{k + 1}", "size": size}
            for k, size in enumerate(hidden)
        ]
    has_output = given and given[-1]["name"] == "output"
    output = given.pop() if has_output else {"name": "output"}
    if output.get("size") not in (None, num_out):
        rule = f"must give the layer output the size {num_out}, which its targets have"
        raise ExperimentError(file, "`network.layers`", rule, output["size"])
    output |= {"size": num_out, "unit": output.get("unit") or table["output_unit"]}
    for row in given:
        if row["name"] in ("input", "output", ONE):
            rule = f"must have other names than input and {ONE}, and output at the end"
            raise ExperimentError(file, "`network.layers`", rule, row["name"])
        if row["size"] is None:
            rule = "must have the size of every layer but output, and have none of"
            raise ExperimentError(file, "`network.layers`", rule, row["name"])
    return [
        row | {"unit": row.get("unit") or table["unit"], "bias": row.get("bias") or table["bias"]}
        for row in (*given, output)
    ]


def _connections(file: str, table: Mapping[str, Any], layers: list[Layer]) -> list[Connection]:
    names = [layer.name for layer in layers]
    given = table["connections"] or [
        {"from": source, "to": target, "mask": None, "frozen": False}
        for source, target in itertools.pairwise(names)
    ]
    sizes = {layer.name: layer.size for layer in layers}
    for row in given:
        for end in ("from", "to"):
            if row[end] not in sizes:
                rule = f"must join layers among {', '.join(names)}"
                raise ExperimentError(file, "`network.connections`", rule, row[end])
    most = sum(math.prod((sizes[row["from"]], sizes[row["to"]])) for row in given)
    if most > MOST_WEIGHTS:
        rule = f"must make at most {MOST_WEIGHTS:,} weights"
        raise ExperimentError(file, "`network`", rule, most)
    try:
        return [
            Connection(row["from"], row["to"], mask=row["mask"], frozen=row["frozen"])
            for row in given
        ]
    except SettingError as fault:
        rule = fault.rule
        raise ExperimentError(
            file, f"`network.connections.{fault.setting}`", rule, fault.value
        ) from None
