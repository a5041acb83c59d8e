"""Mirror symmetry, Fig. 1 of the paper: whether an input reads the same backwards."""

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


def symmetry(
    bits: int = 6, hidden: int = 2, off: float = 0.0, on: float = 1.0, inputs: str = "binary"
) -> Task:
    """Return symmetry: the target is on when the input vector is its own mirror image.

    Args:
      bits: number of inputs, 2 to 12; the paper has 6.
      hidden: number of hidden units; the paper has 2. With 0 the inputs feed the output directly:
        no weights solve the task.
      off: target of an output that should be off.
      on: target of an output that should be on.
      inputs: "binary" for 0 and 1, "bipolar" for -1 and 1.

    Raises:
      SettingError: for an option out of range.

    Example:
      >>> task = symmetry()
      >>> task.network.num_parameters, int(task.targets.sum())
      (17, 8)
    """
    bits = whole_number("bits", bits, 2, 12)
    hidden = whole_number("hidden", hidden, 0)
    off, on = check_off_on(off, on)
    inputs = check_inputs(inputs)
    network = net_of(bits, hidden, 1)
    patterns = all_binary_vectors(bits)
    symmetrical = (patterns == patterns[:, ::-1]).all(axis=1, keepdims=True)
    return Task(
        name="symmetry",
        title=f"mirror symmetry of {bits} bits, {net_in_words(network)}",
        options={"bits": bits, "hidden": hidden, "off": off, "on": on, "inputs": inputs},
        network=network,
        inputs=as_inputs(patterns, inputs),
        targets=on_off_targets(symmetrical, off, on),
        recipe=Recipe(learning_rate=0.1, momentum=0.9, init_range=0.3),
        criterion=middle_criterion(off, on),
        source="Rumelhart, Hinton & Williams, Nature 323 (1986), Fig. 1, p. 534",
        open_choices=(
            "The paper states no stopping rule (default: right side of one half), no number of "
            "starts, and not whether biases start in the same range as weights (they do)."
        ),
        published=_PUBLISHED if (bits, hidden) == (6, 2) else (),
    )


_PUBLISHED = (Published("learned in 1,425 epochs, one run", 1425, "verified", "Fig. 1, p. 534"),)
