"""The graded code: four answers through one unit (PDP vol. 1, ch. 8)."""

import numpy as np

from bpjax.network import layered
from bpjax.recipe import Recipe
from bpjax.task import Published, Task
from bpjax.tasks.cases import all_binary_vectors, check_off_on, middle_criterion, on_off_targets


def graded_code(off: float = 0.0, on: float = 1.0) -> Task:
    """Return the graded code: which of two bits are on, to be told by one of four outputs.

    All that the four outputs hear comes through a single unit, so that this unit must take four
    different values.

    Args:
      off: target of an output that should be off.
      on: target of an output that should be on.

    Raises:
      SettingError: for an option out of range.

    Example:
      >>> graded_code().network.describe(), graded_code().network.num_parameters
      ('2-1-4-4', 31)
    """
    off, on = check_off_on(off, on)
    return Task(
        name="graded-code",
        title="graded code, 2-1-4-4",
        options={"off": off, "on": on},
        network=_NETWORK,
        inputs=all_binary_vectors(2),
        targets=on_off_targets(np.eye(4), off, on),
        recipe=Recipe(learning_rate=0.25, momentum=0.9, init_range=0.3),
        criterion=middle_criterion(off, on),
        source="Rumelhart, Hinton & Williams, PDP vol. 1 ch. 8 (1986), Fig. 8, Tables 6-7",
        open_choices=(
            "Not in the part of the chapter that was read: the learning rate (default 0.25), "
            "initial range (0.3), targets (0 and 1), stopping rule (right side of the middle), "
            "number of epochs, and whether weights change after each case or each epoch (each "
            "epoch). Momentum 0.9, the chapter's usual value (p. 330), is secondary."
        ),
        published=_PUBLISHED,
    )


_NETWORK = layered(2, 1, 4, 4)
_PUBLISHED = (
    Published(
        "the single unit takes the values 0, .2, .6 and 1 for inputs 10, 11, 00 and 01",
        None,
        "verified",
        "Table 7",
    ),
    Published("the learned weights are drawn", None, "verified", "Fig. 8"),
)
