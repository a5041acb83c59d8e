"""Negation: one input turns the others round (PDP vol. 1, ch. 8)."""

import numpy as np

from bpjax.connections import Connection, Layer
from bpjax.network import Network
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


def negation(
    hidden: int = 3,
    wiring: str = "drawn",
    off: float = 0.0,
    on: float = 1.0,
    inputs: str = "binary",
) -> Task:
    """Return negation: copy three bits, or turn each of them round when the first input is on.

    The inputs are the negation unit and the three bits; output k is bit k, exclusive-or the
    negation unit.

    Args:
      hidden: number of hidden units; 3, or 0 for the net without them and their connections, which
        no weights solve.
      wiring: "drawn", as Fig. 12 shows it: three exclusive-ors side by side, each with a hidden
        unit of its own; or "full", from every unit to every unit of the later layers.
      off: target of an output that should be off.
      on: target of an output that should be on.
      inputs: "binary" for 0 and 1, "bipolar" for -1 and 1.

    Raises:
      SettingError: for an option out of range.

    Example:
      >>> negation().network.num_parameters, negation(wiring="full").network.num_parameters
      (21, 39)
    """
    hidden = check_count("hidden", hidden, (0, 3))
    wiring = check_wiring(wiring)
    off, on = check_off_on(off, on)
    inputs = check_inputs(inputs)
    patterns = all_binary_vectors(4)
    return Task(
        name="negation",
        title="negation of 3 bits, "
        + ("4-3-3 with direct connections" if hidden else "4-3 without hidden units")
        + (" from all to all" if wiring == "full" else ""),
        options={"hidden": hidden, "wiring": wiring, "off": off, "on": on, "inputs": inputs},
        network=_network(hidden, wiring),
        inputs=as_inputs(patterns, inputs),
        targets=on_off_targets(patterns[:, 1:] != patterns[:, :1], off, on),
        recipe=Recipe(learning_rate=0.25, momentum=0.9, init_range=0.3, max_epochs=30_000),
        criterion=middle_criterion(off, on),
        source="Rumelhart, Hinton & Williams, PDP vol. 1 ch. 8 (1986), Fig. 12, Table 9",
        open_choices=(
            "Not in the part of the chapter that was read: the initial range (default 0.3), "
            "targets (0 and 1), stopping rule (right side of the middle), and whether weights "
            "change after each case or each epoch (each epoch). Not shown: whether connections "
            "that Fig. 12 leaves out existed with small weights (wiring=drawn: they do not). "
            "Learning rate 0.25 is unverified; momentum 0.9, the chapter's usual value (p. 330), "
            "is secondary."
        ),
        published=_PUBLISHED if hidden else (),
    )


def _network(hidden: int, wiring: str) -> Network:
    own_bit = np.vstack([np.ones((1, 3), bool), np.eye(3, dtype=bool)])
    masks = [own_bit, own_bit, np.eye(3, dtype=bool)] if wiring == "drawn" else [None] * 3
    pairs = [("input", "hidden"), ("input", "output"), ("hidden", "output")]
    layers = [Layer("input", 4), Layer("hidden", 3), Layer("output", 3)]
    if not hidden:
        return Network([layers[0], layers[2]], [Connection("input", "output", mask=masks[1])])  # type: ignore[arg-type]
    connections = [
        Connection(*pair, mask=mask)  # type: ignore[arg-type]
        for pair, mask in zip(pairs, masks, strict=True)
    ]
    return Network(layers, connections)


_PUBLISHED = (
    Published("solved as three exclusive-ors", None, "verified", "Fig. 12"),
    Published("about 5,000 passes through the cases", 5000, "unverified", "ch. 8"),
)
