"""Statistics of results.

`convergence` has success rates, Kaplan-Meier survival and restarts; `solutions` says what solved
nets have in common.
"""

from bpjax.analysis import convergence, solutions

__all__ = ["convergence", "solutions"]
