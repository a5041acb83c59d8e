"""What a user brings to a task: told by what it computes, where ours is told by its name.

bpjax's own losses, initialisers, rules and units are told by their words: what they compute follows
from bpjax's version. Anything else is told by the fingerprint of its traced program
(`bpjax.traced`), taken with the arguments that a training program gives it. So a result belongs to
what was computed, whatever that calls itself.
"""

import dataclasses
import inspect
import itertools
from collections.abc import Callable
from typing import Any

import jax
import optax

from bpjax.errors import SettingError
from bpjax.loss import of_loss
from bpjax.network import Network
from bpjax.starts.given import Start
from bpjax.starts.initial import init_params, run_key
from bpjax.surroundings import pinned
from bpjax.traced import Untraceable, program_of
from bpjax.units import UNITS, Activation, LayerUnit, Unit, unit_of

Functions = dict[str, tuple[Callable[..., Any], tuple[Any, ...]]]

OWN_UNITS = dict(UNITS)
METHODS = (
    *("value", "derivative", "unit_values", "sums_over_units", "of", "unit"),
    *("params_of", "num_seeds"),
)
"""What the engine asks of a loss and of an initialiser."""

UNTOLD = "a program that cannot be told again"
"""What stands for a program without a fingerprint, where results are not kept."""

_times = itertools.count()


@dataclasses.dataclass(frozen=True)
class Setting:
    """Where a user's things are used: all on which their traced programs depend.

    Args:
      network: the net.
      num_cases: how many cases a task has.
      part: how many cases are shown before weights change.
      precision: "float32" or "float64".
      lasting: whether results are kept, so that everything must be told by a fingerprint.
    """

    network: Network
    num_cases: int
    part: int
    precision: str
    lasting: bool = True

    def loss(self, loss: Any) -> str:
        """Return what a loss is told by."""
        return repr(loss) if _is_ours(loss) else self._told("loss", loss, self._of_loss)

    def initializer(self, initializer: Any) -> str:
        """Return what an initialiser is told by."""
        if type(initializer) is Start:
            return initializer.told(self.network)
        if _is_ours(initializer):
            return repr(initializer)
        return self._told("initializer", initializer, self._of_initializer)

    def optimizer(self, optimizer: Any) -> str:
        """Return what a learning rule is told by."""
        if isinstance(optimizer, str):
            return optimizer
        return self._told("optimizer", optimizer, self._of_optimizer)

    def unit(self, activation: Activation) -> str:
        """Return what a unit is told by."""
        if isinstance(activation, str) and UNITS[activation] is OWN_UNITS.get(activation):
            return activation
        return self._told("activation", unit_of(activation), self._of_unit)

    def units(self) -> dict[str, str]:
        """Return what the net's units are told by, those that are not ours, by layer name."""
        told = {layer.name: self.unit(layer.activation) for layer in self.network.computed_layers}
        return {name: word for name, word in told.items() if word not in OWN_UNITS}

    def brought(self, loss: Any, initializer: Any, optimizer: Any) -> tuple[str, ...]:
        """Return what tells a compiled program from an equal one that computes something else.

        A program that cannot be told is compiled again.
        """
        told = [
            *([] if _is_ours(loss) else [self.loss(loss)]),
            *([] if _is_ours(initializer) else [self.initializer(initializer)]),
            *([] if isinstance(optimizer, str) else [self.optimizer(optimizer)]),
            *self.units().values(),
        ]
        return tuple(f"{UNTOLD} {next(_times)}" if word == UNTOLD else word for word in told)

    def _told(self, setting: str, thing: Any, functions_of: Callable[[Any], Functions]) -> str:
        with pinned(self.precision):
            try:
                return f"program {program_of(functions_of(thing))}"
            except Untraceable as fault:
                if self.lasting:
                    rule = f"{fault} if results go to a folder"
                    raise SettingError(setting, rule, type(thing).__name__) from None
                return UNTOLD

    def _of_loss(self, loss: Any) -> Functions:
        alone = bool(getattr(loss, "sums_over_units", False))
        num_out = self.network.num_out
        shapes = {(self.num_cases, num_out), (self.part, num_out)}
        shapes |= {(1, 1)} if alone else set()
        names = ["value", "derivative"]
        names += ["unit_values"] if alone and hasattr(loss, "unit_values") else []
        functions: Functions = {}
        for shape, name in itertools.product(sorted(shapes), names):
            outputs = jax.ShapeDtypeStruct(shape, self.precision)
            sums = "over units" if alone else "over cases"
            of = ", of total inputs" if of_loss(loss) == "preactivation" else ""
            functions[f"{name} {shape}, a sum {sums}{of}"] = getattr(loss, name), (outputs, outputs)
        return functions

    def _of_initializer(self, initializer: Any) -> Functions:
        def draw(seed: Any, init_range: Any) -> Any:
            return initializer.params_of(self.network, seed, init_range, self.precision)

        seed = jax.ShapeDtypeStruct((), "uint32")
        init_range = jax.ShapeDtypeStruct((), self.precision)
        return {f"params_of, {initializer.num_seeds} seeds": (draw, (seed, init_range))}

    def _of_optimizer(self, optimizer: optax.GradientTransformation) -> Functions:
        def start() -> Any:
            return init_params(self.network, run_key(0), 1.0, dtype=self.precision)

        params = jax.eval_shape(start)
        state = jax.eval_shape(optimizer.init, params)
        return {
            "init": (optimizer.init, (params,)),
            "update": (optimizer.update, (params, state, params)),
        }

    def _of_unit(self, unit: Unit | LayerUnit) -> Functions:
        numbers = jax.ShapeDtypeStruct((2, 3), self.precision)
        if isinstance(unit, LayerUnit):
            return {
                "function": (lambda x: unit.function(x, 0), (numbers,)),
                "backward": (lambda d_y, y: unit.backward(d_y, y, 0), (numbers, numbers)),
            }
        return {
            "function": (unit.function, (numbers,)),
            f"derivative of {unit.of}, plus {unit.flat_spot!r}": (unit.derivative, (numbers,)),
        }


def _is_ours(thing: Any) -> bool:
    """Tell whether all that a loss or an initialiser computes is bpjax's own, and told by words."""
    fields = dataclasses.fields(thing) if dataclasses.is_dataclass(thing) else ()
    own = set(getattr(thing, "__dict__", {})) - {field.name for field in fields}
    if set(METHODS) & own:
        return False  # put in place of a method, for this one alone
    methods = (inspect.getattr_static(type(thing), name, None) for name in METHODS)
    inner = (getattr(m, "fget", None) or getattr(m, "__func__", None) or m for m in methods)
    written = [type(thing), *filter(callable, inner)]
    if not all(getattr(part, "__module__", "").startswith("bpjax.") for part in written):
        return False
    values = [getattr(thing, field.name) for field in fields]
    return all(_is_plain(value) or _is_ours(value) for value in values)


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return value is None or type(value) in (bool, int, float, str)
