"""Statistics of results: `convergence` (success rate, Kaplan-Meier survival, restart)."""
