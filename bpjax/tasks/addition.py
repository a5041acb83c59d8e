"""Addition of two 2-bit numbers, with hidden units that carry (PDP vol. 1, ch. 8)."""

from collections.abc import Sequence

import numpy as np

from bpjax.connections import Connection, Layer
from bpjax.network import Network, layered
from bpjax.recipe import Recipe
from bpjax.task import Published, Task
from bpjax.tasks.cases import (
    all_binary_vectors,
    as_inputs,
    check_count,
    check_inputs,
    check_off_on,
    check_wiring,
    middle_criterion,
    on_off_targets,
)


def addition(
    hidden: int = 2,
    wiring: str = "drawn",
    off: float = 0.0,
    on: float = 1.0,
    inputs: str = "binary",
) -> Task:
    """Return addition: the three bits of the sum of two 2-bit numbers.

    The inputs are the high and the low bit of one number and of the other, the outputs the sum,
    highest bit first. The inputs feed the outputs as well, and hidden units feed one another in a
    chain; each is a layer of its own.

    Args:
      hidden: 2 for the minimal net (Fig. 10), whose hidden units are the low and the high carry;
        3 for the net that learned (Fig. 11), whose hidden units are called as they are drawn;
        0 for none: all inputs feed all outputs, and no weights solve the task.
      wiring: "drawn", only the connections that the figure shows; or "full", all inputs to all
        hidden units, the chain, and all of them to all outputs. Without hidden units all inputs
        feed all outputs in any case: there is no drawing of that net.
      off: target of an output that should be off.
      on: target of an output that should be on.
      inputs: "binary" for 0 and 1, "bipolar" for -1 and 1.

    Raises:
      SettingError: for an option out of range.

    Example:
      >>> addition().network.num_parameters, addition(hidden=3).network.num_parameters
      (18, 33)
    """
    hidden = check_count("hidden", hidden, (0, 2, 3))
    wiring = check_wiring(wiring)
    off, on = check_off_on(off, on)
    inputs = check_inputs(inputs)
    patterns = all_binary_vectors(4)
    return Task(
        name="addition",
        title=_title(hidden, wiring),
        options={"hidden": hidden, "wiring": wiring, "off": off, "on": on, "inputs": inputs},
        network=_network(hidden, wiring),
        inputs=as_inputs(patterns, inputs),
        targets=on_off_targets(_sums(patterns), off, on),
        recipe=Recipe(learning_rate=0.25, momentum=0.9, init_range=0.3),
        criterion=middle_criterion(off, on),
        source="Rumelhart, Hinton & Williams, PDP vol. 1 ch. 8 (1986), Figs 10-11, Table 8",
        open_choices=(
            "Not in the part of the chapter that was read: the learning rate (default 0.25), "
            "initial range (0.3), targets (0 and 1), stopping rule (right side of the middle), "
            "number of epochs, and whether weights change after each case or each epoch (each "
            "epoch). Not shown: whether connections that the figure leaves out existed with small "
            "weights (wiring=drawn: they do not). Momentum 0.9, the chapter's usual value "
            "(p. 330), is secondary."
        ),
        published=_PUBLISHED.get(hidden, ()),
    )


def _title(hidden: int, wiring: str) -> str:
    if not hidden:
        return "addition of two 2-bit numbers, 4-3 without hidden units"
    full = ", all connected" if wiring == "full" else ""
    return f"addition of two 2-bit numbers, {hidden} hidden units{full}"


def _sums(inputs: np.ndarray) -> np.ndarray:
    """Return the bits of both numbers' sum, highest first."""
    total = inputs @ [2, 1, 2, 1]
    return total[:, None] // [4, 2, 1] % 2


_BITS = ("a high", "a low", "b high", "b low")
_LOW, _HIGH, _ALL = ("a low", "b low"), ("a high", "b high"), _BITS

_UNITS = {
    2: {"low_carry": _LOW, "high_carry": (*_HIGH, "low_carry")},
    3: {"right": _LOW, "middle": (*_ALL, "right"), "left": (*_ALL, "middle")},
}
"""The hidden units by their number, in the order of the chain, and what feeds each of them."""

_OUTPUTS: dict[int, tuple[tuple[str, ...], ...]] = {
    2: (("high_carry",), (*_HIGH, "low_carry", "high_carry"), (*_LOW, "low_carry")),
    3: ((*_ALL, "middle", "right"), (*_ALL, "left", "middle"), (*_LOW, "right")),
}
"""What feeds each output, highest bit first."""


def _network(hidden: int, wiring: str) -> Network:
    if not hidden:
        return layered(4, 3)
    units, outputs = _UNITS[hidden], _OUTPUTS[hidden]
    if wiring == "full":
        chain = [(), *((name,) for name in units)]
        units = {name: (*_ALL, *before) for name, before in zip(units, chain, strict=False)}
        outputs = ((*_ALL, *units),) * 3
    targets = {**{name: (feeders,) for name, feeders in units.items()}, "output": outputs}
    layers = [Layer("input", 4), *(Layer(name, 1) for name in units), Layer("output", 3)]
    sources = {"input": _BITS, **{name: (name,) for name in units}}
    connections = [
        Connection(source, target, mask=_mask(names, feeders))
        for target, feeders in targets.items()
        for source, names in sources.items()
        if any(name in group for group in feeders for name in names)
    ]
    return Network(layers, connections)


def _mask(
    names: Sequence[str], feeders: Sequence[Sequence[str]]
) -> tuple[tuple[bool, ...], ...] | None:
    """Return which of the units called `names` feed which unit; None where all do."""
    table = tuple(tuple(name in group for group in feeders) for name in names)
    return None if all(map(all, table)) else table


_PUBLISHED = {
    2: (
        Published("the minimal net, drawn without weights", None, "verified", "Fig. 10"),
        Published("local minima met regularly", None, "unverified", "ch. 8"),
    ),
    3: (
        Published("the code of the hidden units for all 16 sums", None, "verified", "Table 8"),
        Published("local minima never met", None, "unverified", "ch. 8"),
    ),
}
