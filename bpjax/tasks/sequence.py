"""Sequence completion: two letters call up four digits, one per step (PDP vol. 1, ch. 8)."""

import itertools

import numpy as np

from bpjax.connections import Connection, Layer
from bpjax.display import Display
from bpjax.network import Network
from bpjax.numbers import whole_number
from bpjax.recipe import Recipe
from bpjax.recurrent import unroll
from bpjax.task import Published, Task
from bpjax.tasks.cases import check_off_on, held_out_rows, middle_criterion, on_off_targets

DIGITS = {"A": "12", "B": "23", "C": "31", "D": "21", "E": "13"}
"""What each letter stands for (Table 10)."""
PAIRS = tuple("".join(pair) for pair in itertools.product(DIGITS, repeat=2))
"""All 25 pairs of letters, in the order of the cases."""
NOVEL = "AD BE CA DB EC"
"""The pairs that the chapter's net was not trained on (Table 11)."""
FIRST_ACTIVITY = 0.2
"""Of all units at the first step (Table 11 shows it for the outputs)."""
NUM_DIGITS = 4
PLACES = {"EA--": (0, 1), "-EA-": (1, 2), "E-A-": (0, 2), "-E-A": (1, 3), "E--A": (0, 3)}
PLACES |= {"--EA": (2, 3)}
"""The six timings of Table 12: at which of the first four steps the two letters come."""


def sequence(
    hidden: int = 30, held_out: int | str = NOVEL, off: float = 0.0, on: float = 1.0
) -> Task:
    """Return sequence completion: shown two letters, the net is to say their four digits.

    The letters come at the first two steps; then nothing is shown, and one digit is wanted per
    step. Every connection takes one step, so the digits live in what the hidden units remember.

    Args:
      hidden: number of hidden units; the chapter has 30.
      held_out: which pairs of letters are not trained, separated by spaces, or how many, drawn for
        each run from its seed; 0 for none.
      off: target of an output that should be off.
      on: target of an output that should be on.

    Raises:
      SettingError: for an option out of range.

    Example:
      >>> task = sequence()
      >>> task.network.describe(), task.num_cases, task.num_held_out
      ('5-30-3 with hidden to hidden (delayed), 5 steps', 25, 5)
    """
    hidden = whole_number("hidden", hidden, 1, 1024)
    off, on = check_off_on(off, on)
    held_out = str(held_out) if isinstance(held_out, str) else whole_number("held_out", held_out, 0)
    return Task(
        name="sequence",
        title=f"sequence completion, {hidden} hidden units",
        options={"hidden": hidden, "held_out": held_out, "off": off, "on": on},
        held_out=held_out_rows(held_out, PAIRS, f"pairs of the letters {''.join(DIGITS)}"),
        published=_PUBLISHED if hidden == 30 else (),
        source="Rumelhart, Hinton & Williams, PDP vol. 1 ch. 8 (1986), pp. 358-359, Tables 10-11",
        open_choices=(
            "Not in the part of the chapter that was read: which recurrent connections there were "
            "(hidden to hidden, and every connection takes one step), learning rate (0.1), "
            "initial range (0.3), activity of hidden units at the start (0.2, as Table 11 shows "
            "for the outputs), targets (0 and 1, no margin), stopping rule (right side of the "
            "middle). Momentum 0.9, the chapter's usual value (p. 330), is secondary. Gradients of "
            "corresponding weights are averaged."
        ),
        **_cases(((0, 1),), 2, 0.1, hidden, off, on),  # type: ignore[arg-type]
    )


def timing(hidden: int = 60, held_out: int = 20, off: float = 0.0, on: float = 1.0) -> Task:
    """Return sequence completion with variable timing: the letters come when they like.

    Each pair of letters in six timings: at any two of the first four steps, 150 sequences. The
    digits are wanted at the four steps after.

    Args:
      hidden: number of hidden units.
      held_out: how many sequences are not trained, drawn for each run from its seed.
      off: target of an output that should be off.
      on: target of an output that should be on.

    Raises:
      SettingError: for an option out of range.

    Example:
      >>> task = timing()
      >>> task.network.describe(), task.num_cases, task.num_held_out
      ('5-60-3 with hidden to hidden (delayed), 7 steps', 150, 20)
    """
    hidden = whole_number("hidden", hidden, 1, 1024)
    off, on = check_off_on(off, on)
    held_out = whole_number("held_out", held_out, 0, len(PAIRS) * len(PLACES) - 1)
    return Task(
        name="timing",
        title=f"sequence completion with variable timing, {hidden} hidden units",
        options={"hidden": hidden, "held_out": held_out, "off": off, "on": on},
        held_out=held_out,
        published=_PUBLISHED_TIMING if hidden == 60 else (),
        source="Rumelhart, Hinton & Williams, PDP vol. 1 ch. 8 (1986), Table 12",
        open_choices=(
            "Not in the part of the chapter that was read: number of hidden units (60 is "
            "unverified), which sequences were held out (20 is unverified; drawn per run), and all "
            "that is open for `sequence`; momentum 0.9 (p. 330) is secondary."
        ),
        **_cases(tuple(PLACES.values()), 4, 0.02, hidden, off, on),  # type: ignore[arg-type]
    )


def iterative_net(hidden: int) -> Network:
    """Return the net as it stands in space: every connection takes one step.

    Example:
      >>> iterative_net(30).num_parameters
      1173
    """
    layers = [Layer("letters", len(DIGITS)), Layer("hidden", hidden), Layer("digits", 3)]
    pairs = [("letters", "hidden"), ("hidden", "hidden"), ("hidden", "digits")]
    return Network(layers, [Connection(*pair, delay=1) for pair in pairs])


def _cases(
    timings: tuple[tuple[int, int], ...],
    num_shown: int,
    learning_rate: float,
    hidden: int,
    off: float,
    on: float,
) -> dict[str, object]:
    """Return network, cases, recipe and criterion for letters at the steps of any timing.

    Letters are shown at steps 0 to `num_shown` - 1; the digits follow, one per step.
    """
    wanted = range(num_shown, num_shown + NUM_DIGITS)
    network = unroll(
        iterative_net(hidden),
        wanted[-1],
        wanted={"digits": wanted},
        shown={"letters": range(num_shown)},
    )
    letters, one_hot = list(DIGITS), np.eye(len(DIGITS))
    inputs, targets = [], []
    for pair, places in itertools.product(PAIRS, timings):
        shown = np.zeros((num_shown, len(DIGITS)))
        for letter, place in zip(pair, places, strict=True):
            shown[place] = one_hot[letters.index(letter)]
        # In the order of time: the letters of step 0, the hidden units at the start, the others.
        inputs.append([*shown[0], *[FIRST_ACTIVITY] * hidden, *shown[1:].ravel()])
        digits = "".join(DIGITS[letter] for letter in pair)
        targets.append(np.eye(3)[[int(digit) - 1 for digit in digits]].ravel())
    return {
        "network": network,
        "inputs": np.array(inputs),
        "targets": on_off_targets(np.array(targets), off, on),
        "recipe": Recipe(
            learning_rate=learning_rate, momentum=0.9, init_range=0.3, max_epochs=2_000
        ),
        "criterion": middle_criterion(off, on),
        "display": Display(
            names={"letters": letters, "digits": "123"},
            cases=(PAIRS.index("EA") * len(timings),),
        ),
    }


_PUBLISHED = (
    Published("20 sequences learned in 260 epochs", 260, "secondary", "pp. 358-359"),
    Published(
        "of five novel sequences all digits but one are right (right output above 0.5, others "
        "below): 19 of 20 digits, 4 of 5 sequences",
        None,
        "verified",
        "Table 11",
    ),
)
_PUBLISHED_TIMING = (
    Published("of 20 novel sequences all but one are right", None, "unverified", "Table 12"),
)
