"""Statistics of results.

`outcomes` counts how runs ended; `convergence` has success rates, Kaplan-Meier survival (computed
in `kaplan_meier`) and restarts; `solutions` says what solved nets have in common, `representations`
what their hidden units code.
"""

from bpjax.analysis import convergence, kaplan_meier, outcomes, representations, solutions

__all__ = ["convergence", "kaplan_meier", "outcomes", "representations", "solutions"]
