"""Parity, where the most similar cases need different answers (PDP vol. 1, ch. 8)."""

from bpjax.display import Display
from bpjax.errors import SettingError
from bpjax.numbers import whole_number
from bpjax.recipe import Recipe
from bpjax.task import Published, Task
from bpjax.tasks.cases import (
    all_binary_vectors,
    as_inputs,
    check_inputs,
    check_off_on,
    middle_criterion,
    net_in_words,
    net_of,
    on_off_targets,
)


def parity(
    bits: int = 4,
    hidden: int | None = None,
    hidden_layers: int = 1,
    off: float = 0.0,
    on: float = 1.0,
    inputs: str = "binary",
) -> Task:
    """Return parity: the target is on when an odd number of inputs is on.

    Args:
      bits: number of inputs, 2 to 12; there are 2**bits cases.
      hidden: number of units in each hidden layer; as many as inputs unless given. With 0 the
        inputs feed the output directly: no weights solve the task.
      hidden_layers: number of hidden layers; the chapter has one, a deeper net shows how the
        gradient shrinks on its way back.
      off: target of an output that should be off.
      on: target of an output that should be on.
      inputs: "binary" for 0 and 1, "bipolar" for -1 and 1.

    Raises:
      SettingError: for an option out of range.

    Example:
      >>> parity().network.num_parameters
      25
    """
    bits = whole_number("bits", bits, 2, 12)
    hidden = bits if hidden is None else whole_number("hidden", hidden, 0)
    hidden_layers = whole_number("hidden_layers", hidden_layers, 1, 20)
    if not hidden and hidden_layers > 1:
        raise SettingError(
            "hidden_layers", "must be 1 with `hidden` 0: there are none", hidden_layers
        )
    off, on = check_off_on(off, on)
    inputs = check_inputs(inputs)
    patterns = all_binary_vectors(bits)
    network = net_of(bits, hidden, 1, hidden_layers)
    return Task(
        name="parity",
        title=f"parity of {bits} bits, {net_in_words(network)}",
        options={
            "bits": bits,
            "hidden": hidden,
            "hidden_layers": hidden_layers,
            "off": off,
            "on": on,
            "inputs": inputs,
        },
        network=network,
        inputs=as_inputs(patterns, inputs),
        targets=on_off_targets(patterns.sum(axis=1, keepdims=True) % 2, off, on),
        recipe=Recipe(learning_rate=0.5, momentum=0.9, init_range=0.3),
        criterion=middle_criterion(off, on),
        source="Rumelhart, Hinton & Williams, PDP vol. 1 ch. 8 (1986), p. 335",
        open_choices=(
            "Not in the part of the chapter that was read: the initial range (default 0.3), "
            "targets (0 and 1), stopping rule (right side of the middle), and whether weights "
            "change after each case or each epoch (each epoch). Learning rate 0.5 (p. 335) and "
            "momentum 0.9 (p. 330) are secondary."
        ),
        published=_PUBLISHED if (bits, hidden, hidden_layers) == (4, 4, 1) else (),
        display=Display(cases=[2**num_on - 1 for num_on in range(bits + 1)]),
    )


_PUBLISHED = (
    Published("all 16 right after 2,825 epochs at learning rate 0.5", 2825, "secondary", "p. 335"),
)
