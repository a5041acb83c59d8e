"""How a run ends: exactly one of three outcomes, never folded into one flag."""

import enum


class Status(enum.IntEnum):
    """Outcome of a run; `RUNNING` is a state inside the engine and never a result.

    The small integers are what result tables store on disk; names go into text exports.
    """

    RUNNING = 0
    """Not judged yet. Only seen between two calls of the training program."""
    CONVERGED = 1
    """The criterion first held after `epochs` passes over all cases; 0: at the initial weights.

    A pass is one weight update, or one for each case where weights change after every case.
    """
    MAX_EPOCHS = 2
    """Stopped at the cap without converging: right-censored, it might have converged later."""
    NONFINITE = 3
    """A weight, velocity or loss stopped being finite at `epochs`; such a run never converges."""
