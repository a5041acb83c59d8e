"""The encoder: squeeze one-hot patterns through a narrow layer (PDP vol. 1, ch. 8)."""

import numpy as np

from bpjax.learning import Recipe
from bpjax.network import layered
from bpjax.numbers import whole_number
from bpjax.task import Published, Task
from bpjax.tasks.cases import check_off_on, middle_criterion, on_off_targets


def encoder(size: int = 8, hidden: int = 3, off: float = 0.0, on: float = 1.0) -> Task:
    """Return the N-M-N encoder: each of N one-hot patterns is to be reproduced at the output.

    Args:
      size: number of input and output units N, at least 2.
      hidden: number of hidden units M; the chapter uses log2 N.
      off: target of an output that should be off.
      on: target of an output that should be on.

    Raises:
      SettingError: for an option out of range.

    Example:
      >>> encoder().network.describe(), encoder().network.num_parameters
      ('8-3-8', 59)
    """
    size = whole_number("size", size, 2, 4096)
    hidden = whole_number("hidden", hidden, 1)
    off, on = check_off_on(off, on)
    patterns = np.eye(size)
    return Task(
        name="encoder",
        title=f"encoder {size}-{hidden}-{size}",
        options={"size": size, "hidden": hidden, "off": off, "on": on},
        network=layered(size, hidden, size),
        inputs=patterns,
        targets=on_off_targets(patterns, off, on),
        recipe=Recipe(learning_rate=0.25, momentum=0.9, init_range=0.3),
        criterion=middle_criterion(off, on),
        source="Rumelhart, Hinton & Williams, PDP vol. 1 ch. 8 (1986), pp. 335-338",
        open_choices=(
            "Not in the part of the chapter that was read: the learning rate (default 0.25), "
            "initial range (0.3), targets (0 and 1), stopping rule (right side of the middle) and "
            "number of epochs. Momentum 0.9, the chapter's usual value (p. 330), is secondary."
        ),
        published=_PUBLISHED if (size, hidden) == (8, 3) else (),
    )


_PUBLISHED = (
    Published(
        "eight different hidden codes, some with intermediate values", None, "verified", "Table 5"
    ),
)
