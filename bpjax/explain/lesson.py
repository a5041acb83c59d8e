"""What the page knows of a run: the net, its cases, and its weights on the way.

The page carries weights only, and works the passes out from them as `backprop.py` does, so that any
case can be followed at any epoch.
"""

import base64
import dataclasses
import json
from typing import Any, NamedTuple

import numpy as np

from bpjax.errors import SettingError
from bpjax.explain.functions import Untold, script_of
from bpjax.held_out import trained_by
from bpjax.loss import CrossEntropy, HalfSquaredError, Loss, MarginSquaredError, of_loss
from bpjax.network import Network
from bpjax.numbers import evenly
from bpjax.params import Params, unflatten_params
from bpjax.presentation import part_size
from bpjax.recording import History
from bpjax.schedule import as_schedule
from bpjax.task import Task
from bpjax.training import Run
from bpjax.units import Activation, LayerUnit, Unit, unit_of, word_of

MOST_NUMBERS = 40_000
"""Weights that a page holds: small nets at every epoch, large ones at some, evenly spaced."""
FEWEST_FRAMES = 30
MOST_POINTS = 500
"""Of a curve."""
OWN = "its user's own"
"""What a loss or a rule without a name is called on the page."""


class Frames(NamedTuple):
    """Moments of a run at which the page can stand.

    Attributes:
      epoch: epochs made, shape (num_frames,).
      weights: the weights then, shape (num_frames, num_parameters).
      previous: the last weight change before that moment, by equation (9); zero at the start.
      change: what was added to the weights next; zero at the end.
    """

    epoch: np.ndarray
    weights: np.ndarray
    previous: np.ndarray
    change: np.ndarray


def frames_of(run: Run) -> Frames:
    """Return the moments of a run that the page shows, of which the last is its end.

    Args:
      run: with a snapshot of its weights after every epoch.

    Raises:
      SettingError: for a run without these.
    """
    weights = run.snapshots.weights.astype(float)
    if len(weights) != run.epochs + 1:
        raise SettingError("snapshot_every", "must be 1 for a page", run.snapshots.epoch.tolist())
    most = max(FEWEST_FRAMES, MOST_NUMBERS // weights.shape[1])
    epoch = evenly(run.epochs, most)
    return Frames(
        epoch=epoch,
        weights=weights[epoch],
        previous=_changes_without_decay(run, weights)[epoch],
        change=np.append(np.diff(weights, axis=0), np.zeros_like(weights[:1]), axis=0)[epoch],
    )


def _changes_without_decay(run: Run, weights: np.ndarray) -> np.ndarray:
    """Return the velocity of equation (9) before each epoch: undo what decay did after it."""
    rate = as_schedule(run.task.recipe.weight_decay)
    decay = np.array([rate.at(epoch) for epoch in range(len(weights) - 1)])[:, None]
    decay = np.where(_decays(run), decay, 0.0)
    velocity = weights[1:] / (1 - decay) - weights[:-1]
    return np.append(np.zeros_like(weights[:1]), velocity, axis=0)


def _decays(run: Run) -> np.ndarray:
    """Return which parameters a decay would shrink."""
    shrinks = ~_frozen(run)
    for biases in _places(run).bias.values():
        shrinks[biases] &= run.task.recipe.decay_biases
    return shrinks


def _frozen(run: Run) -> np.ndarray:
    """Return which parameters stay as they are."""
    places, (weights, biases) = _places(run), run.task.network.frozen
    frozen = np.zeros(run.snapshots.weights.shape[1], bool)
    for entry in [*(places.weight[key] for key in weights), *(places.bias[key] for key in biases)]:
        frozen[entry] = True
    return frozen


def _places(run: Run) -> Params:
    """Return where each parameter stands among all, in the shape of the parameters."""
    return unflatten_params(run.task.network, np.arange(run.snapshots.weights.shape[1]))  # type: ignore[arg-type]


def functions_of(task: Task) -> str:
    """Return the script of what a task's units do, and of its loss where that is a user's own.

    Raises:
      SettingError: for a loss or a unit that the page cannot work out.
    """
    words = _words_of_units(task.network)
    units = {words[each]: unit_of(each) for each in words if each != "softmax"}
    lines = [f"  {json.dumps(word)}: {_single(unit)}," for word, unit in units.items()]
    own = "null" if _known(task.loss) else _own_loss(task.loss)
    return "\n".join(["const SINGLE_UNITS = {", *lines, "};", f"const OWN_LOSS = {own};"])


def _words_of_units(network: Network) -> dict[Activation, str]:
    """Return what the page calls each kind of unit of a net."""
    kinds = dict.fromkeys(layer.activation for layer in network.computed_layers)
    own = [each for each in kinds if not isinstance(each, str)]
    numbered = [f"user's own {k}" if k > 1 else "user's own" for k in range(1, len(own) + 1)]
    return dict(zip(own, numbered, strict=True)) | {
        each: each for each in kinds if isinstance(each, str)
    }


def _single(unit: Unit | LayerUnit) -> str:
    if isinstance(unit, LayerUnit):
        rule = "must be softmax or look at one unit at a time, for a page"
        raise SettingError("unit", rule, word_of(unit))
    try:
        function, derivative = script_of(unit.function), script_of(unit.derivative)
    except Untold as fault:
        raise SettingError("unit", f"must not take {fault}, for a page", word_of(unit)) from None
    seen = "y" if unit.of == "activation" else "x"
    flat_spot = f" + {unit.flat_spot!r}" if unit.flat_spot else ""
    return f"single({function}, (y, x) => ({derivative})({seen}){flat_spot})"


def _own_loss(loss: Loss) -> str:
    if not (getattr(loss, "sums_over_units", False) and hasattr(loss, "unit_values")):
        rule = "must be a name's, or have `unit_values` and `sums_over_units`, for a page"
        raise SettingError("loss", rule, loss)
    try:
        value, derivative = script_of(loss.unit_values, 2), script_of(loss.derivative, 2)
    except Untold as fault:
        raise SettingError("loss", f"must not take {fault}, for a page", loss) from None
    return f"{{ value: {value}, derivative: {derivative} }}"


def lesson_of(run: Run) -> dict[str, Any]:
    """Return all that the page needs, fit for JSON.

    Args:
      run: from `bpjax.train`, with `snapshot_every=1`.

    """
    task, recipe, frames = run.task, run.task.recipe, frames_of(run)
    places = _places(run)
    criterion = task.criterion
    (trained,) = trained_by(task, [run.seed])
    return {
        "title": task.title,
        "layers": _layers(task, places),
        "bands": task.network.layers_by_level,
        "outputs": list(task.network.outputs),
        "connections": _connections(task.network, places),
        "numParameters": frames.weights.shape[1],
        "cases": [
            {
                "name": task.case_name(case),
                "inputs": task.inputs[case].tolist(),
                "targets": task.targets[case].tolist(),
                "trained": bool(trained[case]),
            }
            for case in range(task.num_cases)
        ],
        "loss": _loss(task.loss),
        "criterion": {
            "kind": criterion.kind,
            "threshold": criterion.threshold,
            "text": str(criterion),
        },
        "learning": {
            "paper": is_paper(run),
            "every": None
            if recipe.updates == "batch"
            else part_size(recipe.updates, task.num_cases),
            "order": recipe.order,
            "optimizer": recipe.optimizer if isinstance(recipe.optimizer, str) else OWN,
            "copies": task.network.iterations if recipe.copies == "average" else 1,
            "learningRate": dataclasses.asdict(as_schedule(recipe.learning_rate)),
            "momentum": dataclasses.asdict(as_schedule(recipe.momentum)),
            "decay": dataclasses.asdict(as_schedule(recipe.weight_decay)),
            "initRange": recipe.init_range,
            "decays": _decays(run).tolist(),
            "frozen": _frozen(run).tolist(),
        },
        "frames": {
            "epoch": frames.epoch.tolist(),
            **{name: _packed(getattr(frames, name)) for name in ("weights", "previous", "change")},
        },
        "curves": _curves(run.history),
        "square": _square(task.network),
    }


def _square(network: Network) -> str | None:
    """Return of which kind the square of inputs is; None unless there are exactly two."""
    if network.num_in != 2:
        return None
    return "one output" if network.num_out == 1 else "several outputs"


def is_paper(run: Run) -> bool:
    """Tell whether weights change once an epoch, by equation (9)."""
    return run.task.recipe.optimizer == "paper" and run.task.recipe.updates == "batch"


def _layers(task: Task, places: Params) -> list[dict[str, Any]]:
    computed, words = task.network.computed_layers, _words_of_units(task.network)
    return [
        {
            "name": layer.name,
            "size": layer.size,
            "unit": words[layer.activation] if layer in computed else "input",
            "names": list(task.names_of(layer)),
            "biases": places.bias[layer.bias_key].tolist()
            if layer in computed and layer.bias
            else None,
        }
        for layer in task.network.layers
    ]


def _connections(network: Network, places: Params) -> list[dict[str, Any]]:
    """Return each connection with the number of the parameter at every place; -1 where none is.

    Masks, ties and copies need no more than that.
    """
    found = []
    for c in network.connections:
        parameter = np.asarray(places.weight[c.weight_key])
        if c.tie is not None:
            parameter = parameter[np.array(c.tie)]
        if c.mask is not None:
            parameter = np.where(c.mask, parameter, -1)
        found.append({"source": c.source, "target": c.target, "parameter": parameter.tolist()})
    return found


def _loss(loss: Loss) -> dict[str, Any]:
    if isinstance(loss, HalfSquaredError):
        return {"kind": "squared"}
    if isinstance(loss, MarginSquaredError):
        return {
            "kind": "margin",
            "on": loss.on,
            "off": loss.off,
            "fromMargin": loss.measured_from == "margin",
            "byCase": loss.scope == "case",
        }
    if isinstance(loss, CrossEntropy):
        return {"kind": "cross-entropy", "unit": loss.unit, "atNet": True}
    return {"kind": OWN, "atNet": of_loss(loss) == "preactivation"}


def _known(loss: Loss) -> bool:
    return _loss(loss)["kind"] != OWN


def _curves(history: History) -> dict[str, Any]:
    """Return the loss, and gradient and blame per layer from early to late, thinned evenly."""
    some = evenly(len(history.epoch) - 1, MOST_POINTS)

    def thinned(values: np.ndarray) -> list[float | None]:
        return [float(value) if np.isfinite(value) else None for value in values[some]]

    return {
        "epoch": history.epoch[some].tolist(),
        "loss": thinned(history.loss),
        "layers": list(history.gradient_size),
        "gradient": [thinned(size) for size in history.gradient_size.values()],
        "blame": [thinned(size) for size in history.error_signal_size.values()],
    }


def _packed(table: np.ndarray) -> str:
    """Return numbers exactly and in little space: 64-bit little-endian, in base 64."""
    return base64.b64encode(np.ascontiguousarray(table, "<f8").tobytes()).decode()
