"""The encoder: squeeze one-hot patterns through a narrow layer (PDP vol. 1, ch. 8)."""

import numpy as np

from bpjax.numbers import whole_number
from bpjax.recipe import Recipe
from bpjax.task import Published, Task
from bpjax.tasks.cases import (
    check_off_on,
    middle_criterion,
    net_in_words,
    net_of,
    on_off_targets,
)


def encoder(size: int = 8, hidden: int | None = None, off: float = 0.0, on: float = 1.0) -> Task:
    """Return the N-M-N encoder: each of N one-hot patterns is to be reproduced at the output.

    Args:
      size: number of input and output units N, 2 to 1024: all N x N numbers are written down in
        every folder of results.
      hidden: number of hidden units M; log2 N unless given, as in the chapter, rounded up.
        With 0 the inputs feed the outputs directly, and nothing has to be squeezed.
      off: target of an output that should be off.
      on: target of an output that should be on.

    Raises:
      SettingError: for an option out of range.

    Example:
      >>> encoder().network.describe(), encoder().network.num_parameters
      ('8-3-8', 59)
      >>> [encoder(size).network.describe() for size in (4, 5, 16)]
      ['4-2-4', '5-3-5', '16-4-16']
    """
    size = whole_number("size", size, 2, 1024)
    if hidden is None:
        hidden = (size - 1).bit_length()
    hidden = whole_number("hidden", hidden, 0)
    off, on = check_off_on(off, on)
    network = net_of(size, hidden, size)
    patterns = np.eye(size)
    learning_rate = 0.25 if size <= 8 else 0.05
    return Task(
        name="encoder",
        title=f"encoder {net_in_words(network)}",
        options={"size": size, "hidden": hidden, "off": off, "on": on},
        network=network,
        inputs=patterns,
        targets=on_off_targets(patterns, off, on),
        recipe=Recipe(learning_rate=learning_rate, momentum=0.9, init_range=0.3),
        criterion=middle_criterion(off, on),
        source="Rumelhart, Hinton & Williams, PDP vol. 1 ch. 8 (1986), pp. 335-338",
        open_choices=(
            "Not in the part of the chapter that was read: the learning rate (default "
            f"{learning_rate}; the many units of larger nets saturate at 0.25), "
            "initial range (0.3), targets (0 and 1), stopping rule (right side of the middle) and "
            "number of epochs. Momentum 0.9, the chapter's usual value (p. 330), is secondary."
        ),
        published=_PUBLISHED.get((size, hidden), ()),
    )


_FAHLMAN = "Fahlman 1988, CMU-CS-88-162"
_TUNED = "learning rates and initial ranges tuned for it, which are not known"

_PUBLISHED = {
    (8, 3): (
        Published(
            "eight different hidden codes, some with intermediate values",
            None,
            "verified",
            "Table 5",
        ),
    ),
    (10, 5): (
        Published(
            "plain back-propagation: mean 129 epochs (sd 46, min 80, max 265) of 25 trials",
            129,
            "unverified",
            _FAHLMAN,
            "mean",
            _TUNED,
        ),
        Published(
            "quickprop: mean 22.1 epochs (sd 8.9, min 13, max 72) of 100 trials; about 14 with "
            "all tricks",
            None,
            "unverified",
            _FAHLMAN,
        ),
        Published(
            "plain back-propagation: mean 121 epochs (sd 30)",
            121,
            "unverified",
            "Riedmiller & Braun 1993",
            "mean",
            _TUNED,
        ),
    ),
}
"""By (size, hidden)."""
