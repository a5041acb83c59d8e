"""P0: the hand-derived gradient of every task against three oracles, and broken on purpose."""

from typing import Any

from bpjax.gradient_check import check_gradients, check_task
from bpjax.problems import random_problem
from bpjax.tasks import TASKS, make_task
from experiments.trust import suite

QUICK = ("xor", "symmetry", "encoder", "shift-register")


def measure(full: bool) -> dict[str, Any]:
    """Check every connection, bias and input, then the checks themselves, by mutations."""
    tasks = [make_task(name) for name in TASKS if full or name in QUICK]
    checks = [(task.name, check) for task in tasks for check in check_task(task)]
    for seed in range(40 if full else 3):
        checks += [(f"random net {seed}", c) for c in check_gradients(*random_problem(seed))]
    off = [f"{name}: {check.name}" for name, check in checks if not check.ok]
    worst = {
        oracle: max(float(getattr(check, oracle)) for _, check in checks)
        for oracle in ("versus_jax", "versus_numpy", "versus_differences")
    }
    # The quick tests of every day run these mutations anyway.
    mutations = suite.judged("tests/test_mutations.py") if full else suite.Verdict(0, ())
    return {
        "tried": len(checks) + mutations.tests,
        "failed": len(off) + len(mutations.failed),
        "words": f"{len(checks)} connections, biases and inputs of {len(tasks)} tasks and of "
        f"random nets, in float64: the largest relative difference to `jax.grad` is "
        f"{worst['versus_jax']:.1e}, to NumPy {worst['versus_numpy']:.1e}, to central differences "
        f"{worst['versus_differences']:.1e}. {mutations.tests} tests break the equations in one "
        f"place each; {len(mutations.failed)} went unnoticed.",
        "worst": worst,
        "off": off + list(mutations.failed),
    }
