"""The shift register: an iterative net passes a pattern on (PDP vol. 1, ch. 8)."""

import numpy as np

from bpjax.connections import Connection, Layer
from bpjax.network import Network
from bpjax.numbers import whole_number
from bpjax.recipe import Recipe
from bpjax.recurrent import unroll
from bpjax.task import Published, Task
from bpjax.tasks.cases import all_binary_vectors, check_off_on, middle_criterion, on_off_targets


def shift_register(units: int = 3, steps: int = 2, off: float = 0.0, on: float = 1.0) -> Task:
    """Return the shift register: in every step the pattern is to move on by one place, in a ring.

    All units are connected with each other and with themselves, as in Fig. 17 of the chapter. They
    start with the pattern and are told only at the end where it should be, so what they do in
    between is hidden.

    Args:
      units: number of units, 2 to 10; the chapter has 3 and 5.
      steps: after how many steps the pattern is wanted, 1 to 20.
      off: target of a unit that should be off.
      on: target of a unit that should be on.

    Raises:
      SettingError: for an option out of range.

    Example:
      >>> task = shift_register()
      >>> task.network.describe(), task.network.num_parameters
      ('3 with units to units (delayed), 2 steps', 12)
      >>> task.inputs[1].tolist(), task.targets[1].tolist()
      ([0.0, 0.0, 1.0], [0.0, 1.0, 0.0])
    """
    units = whole_number("units", units, 2, 10)
    steps = whole_number("steps", steps, 1, 20)
    off, on = check_off_on(off, on)
    register = Network([Layer("units", units)], [Connection("units", "units", delay=1)])
    patterns = all_binary_vectors(units)
    shifted = np.roll(patterns, steps, axis=1)
    return Task(
        name="shift-register",
        title=f"shift register of {units} units, {steps} steps",
        options={"units": units, "steps": steps, "off": off, "on": on},
        network=unroll(register, steps, wanted={"units": [steps]}),
        inputs=patterns,
        targets=on_off_targets(shifted, off, on),
        recipe=Recipe(learning_rate=0.25, momentum=0.9, init_range=0.3),
        criterion=middle_criterion(off, on),
        source="Rumelhart, Hinton & Williams, PDP vol. 1 ch. 8 (1986), Fig. 17",
        open_choices=(
            "Not in the part of the chapter that was read: the exact task (here all patterns are "
            "shown, they move in a ring, and the target comes after two steps), the "
            "learning rate (0.25 is unverified), initial range (0.3), targets (0 and 1), stopping "
            "rule (right side of the middle). Momentum 0.9, the chapter's usual value (p. 330), is "
            "secondary. Gradients of corresponding weights are averaged, as Nature prescribes "
            "(`copies=sum` adds them)."
        ),
        published=_PUBLISHED if units in (3, 5) else (),
    )


_PUBLISHED = (
    Published(
        "learned in under 200 epochs, with 3 or 5 units",
        200,
        "secondary",
        "recurrent nets",
        "bound",
    ),
)
