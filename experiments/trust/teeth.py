"""P16: take the layouts, the epoch count, the criterion, the lanes and the statistics apart.

Each mutant is a copy of the package in which a few characters are others; the tests named beside
it must notice. A mutant whose text is not there exactly once counts as one that lived.
"""

from typing import Any

from experiments.trust.mutants import Mutant, Tests, bitten

LAYOUTS = "tests/test_layouts.py"
UNROLLED = (
    f"{LAYOUTS}::test_every_task_gives_what_single_runs_give[unrolled-xor direct]",
    f"{LAYOUTS}::test_every_rule_gives_what_single_runs_give[unrolled-per case]",
)
MATRIX = (
    f"{LAYOUTS}::test_every_task_gives_what_single_runs_give[matrix-xor direct]",
    f"{LAYOUTS}::test_every_task_gives_what_single_runs_give[matrix-in time]",
    f"{LAYOUTS}::test_every_rule_gives_what_single_runs_give[matrix-per case]",
)
BATCHED = (f"{LAYOUTS}::test_a_stride_has_as_many_epochs_as_it_was_asked_for",)
FUSED = "tests/test_fused.py", "-k", "xor-5 or ended or neighbours"
EPOCH = "tests/test_epoch.py", "-k", "converge or outcome or judged or finite"
CRITERION = ("tests/test_criteria.py",)
LANES = (
    "tests/test_roster.py",
    "tests/test_scheduler.py",
    "-k",
    "ranges_of_a_grid or counts_are_those or runs_dry or without_refill and unrolled",
)
CONVERGENCE = ("tests/test_convergence.py",)
LOG_RANK = ("tests/test_log_rank.py",)
HELD_OUT = "tests/test_held_out.py", "-k", "share or agree or answers"

MUTANTS: dict[Tests, list[Mutant]] = {
    UNROLLED: [
        Mutant("layouts/unrolled", "activations[c.source][i]))  # (1)", "1.0))"),
        Mutant("layouts/unrolled", ".activate(x, axis=0))  # (2)", ".activate(-x, axis=0))"),
        Mutant("layouts/unrolled", "_plus(d_x, unit.carry_back(d_y, seen, axis=0))  # (5)", "d_y"),
        Mutant("layouts/unrolled", "_times(d_x, activations[c.source][i]))", "d_x)"),
        Mutant("layouts/unrolled", "d_x * weight", "d_x"),
        Mutant("layouts/unrolled", "row[k] = _plus(row[k], term)", "row[k] = term"),
        Mutant("layouts/unrolled", "right & near", "near"),
        Mutant("layouts/unrolled", "values, right = [*values, value]", "values, right = [value]"),
    ],
    MATRIX: [
        Mutant("layouts/matrix", ".activate(x, axis=0)  # (2)", ".activate(-x, axis=0)"),
        Mutant("layouts/matrix", "unit.carry_back(d_y, seen, axis=0)  # (5)", "d_y"),
        Mutant("layouts/matrix", "carried if there is None else there + carried", "carried"),
        Mutant("layouts/matrix", "return loss + value, right & near", "return value, right & near"),
        Mutant("layouts/matrix", "weight[:, j][:, None] * row[None]", "row[None]"),
        Mutant("layouts/matrix", "y * dx[None] for y, dx", "dx[None] for y, dx"),
        Mutant("layouts/matrix", "passes.add_gradient(sums, before)) if learns", "sums) if learns"),
    ],
    BATCHED: [
        Mutant("layouts/batched", "lax.fori_loop(0, num_epochs", "lax.fori_loop(1, num_epochs"),
    ],
    FUSED: [
        Mutant("layouts/fused", "loss.derivative(seen, target)", "loss.derivative(target, seen)"),
        Mutant("layouts/fused", "< threshold", "<= 2 * threshold"),
        Mutant("layouts/fused", "lax.fori_loop(0, num_epochs", "lax.fori_loop(1, num_epochs"),
    ],
    EPOCH: [
        Mutant("epoch", "state.epoch >= max_epochs", "state.epoch > max_epochs"),
        Mutant("epoch", "state.epoch + running.astype", "state.epoch + 1 + 0 * running.astype"),
        Mutant("epoch", "jnp.where(running, dw, jnp.zeros_like(dw))", "dw"),
        Mutant("epoch", "jnp.where(running, evaluation.loss, state.loss)", "state.loss"),
        Mutant("epoch", "ended, int(Status.NONFINITE))", "ended, int(Status.MAX_EPOCHS))"),
    ],
    CRITERION: [
        Mutant("criteria", "jnp.abs(outputs - targets) < tolerance", "outputs < targets"),
        Mutant("criteria", "targets) < tolerance, axis=1", "targets) <= tolerance, axis=1"),
        Mutant("criteria", "return loss < threshold", "return loss <= threshold"),
        Mutant("criteria", "jnp.all(cases_right", "jnp.any(cases_right"),
    ],
    LANES: [
        Mutant("sweeps/scheduler", "taken[0] + jnp.cumsum(empty", "jnp.cumsum(empty"),
        Mutant("sweeps/scheduler", "position < queue.length[0]", "position <= queue.length[0]"),
        Mutant("sweeps/scheduler", "report.num_ended[0] + jnp.cumsum", "jnp.cumsum"),
        Mutant(
            "sweeps/scheduler", "ticket=jnp.where(ended, EMPTY", "ticket=jnp.where(~ended, EMPTY"
        ),
        Mutant("sweeps/scheduler", "(runs.status - 1) * block.bins", "runs.status * 0"),
        Mutant("sweeps/scheduler", " & ~starving))", "))"),
        Mutant("sweeps/roster", "(tickets - first)", "(tickets - first + 1)"),
    ],
    CONVERGENCE: [
        Mutant("analysis/convergence", "2 * num_runs * share + z**2", "2 * num_runs * share"),
        Mutant(
            "analysis/convergence",
            "num_runs, scipy.special.ndtri((1 + level) / 2)",
            "num_runs, scipy.special.ndtri(level)",
        ),
        Mutant("analysis/convergence", "first_epoch(curve.low)", "first_epoch(curve.high)"),
        Mutant("analysis/convergence", "solved[solved <= cap]", "solved[solved < cap]"),
        Mutant("analysis/convergence", "- num_solved - num_gone", "- num_solved"),
        Mutant("analysis/kaplan_meier", "censored[-1] +=", "censored[0] +="),
        Mutant("analysis/kaplan_meier", "np.cumsum(leaving) + leaving", "np.cumsum(leaving)"),
        Mutant("analysis/kaplan_meier", "z * np.sqrt(greenwood)", "z * greenwood"),
        Mutant("analysis/outcomes", "np.add.at(times, place", "np.put(times, place"),
    ],
    LOG_RANK: [
        Mutant("analysis/log_rank", "(all_at_risk - all_converged) / np", "all_at_risk / np"),
        Mutant("analysis/log_rank", "all_at_risk - 1, 1", "all_at_risk, 1"),
        Mutant(
            "analysis/log_rank",
            "- np.cumsum(converged[k]) + conv",
            "- np.cumsum(converged[k]) + 0 * conv",
        ),
        Mutant("analysis/log_rank", "np.arange(len(values), 0, -1)", "len(values)"),
    ],
    HELD_OUT: [
        Mutant("analysis/held_out", "shares.var(ddof=1)", "shares.var()"),
        Mutant("analysis/held_out", "scipy.special.stdtrit(len(shares) - 1, tail)", "point"),
        Mutant("analysis/held_out", "np.ptp(shares) > 0", "shares.var() > 0"),
        Mutant("analysis/held_out", "right == num_cases", "right >= num_cases - 1"),
    ],
}
QUICK = (CRITERION, LOG_RANK)


def measure(full: bool) -> dict[str, Any]:
    """See every mutant die."""
    what = "mutants of the layouts, the epoch count, the criterion, the lanes and the statistics"
    quickly_compiled = "--xla_backend_optimization_level=0"  # it runs for moments
    return bitten(MUTANTS, MUTANTS if full else QUICK, what, quickly_compiled)
