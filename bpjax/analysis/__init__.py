"""Statistics of results.

`outcomes` counts how runs ended; `convergence` has success rates, Kaplan-Meier survival (computed
in `kaplan_meier`) and restarts; `activations` turns kept weights into what the units do, and
`solutions` says what trained nets have in common.
"""

from bpjax.analysis import activations, convergence, kaplan_meier, outcomes, solutions

__all__ = ["activations", "convergence", "kaplan_meier", "outcomes", "solutions"]
