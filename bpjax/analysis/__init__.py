"""Statistics of results.

`outcomes` counts how runs ended; `convergence` has success rates, Kaplan-Meier survival (computed
in `kaplan_meier`) and restarts; `log_rank` compares groups of runs, `paired` two settings over the
same seeds; `sequential` says how many runs a question needs; `losses` has quantiles of many runs
over training; `activations` turns kept weights into what the units do, `solutions` says what
trained nets have in common, `representations` what their hidden units code, and `held_out` how they
answer what they were not trained on.
"""

from bpjax.analysis import (
    activations,
    convergence,
    held_out,
    kaplan_meier,
    log_rank,
    losses,
    outcomes,
    paired,
    representations,
    sequential,
    solutions,
)

__all__ = [
    "activations",
    "convergence",
    "held_out",
    "kaplan_meier",
    "log_rank",
    "losses",
    "outcomes",
    "paired",
    "representations",
    "sequential",
    "solutions",
]
