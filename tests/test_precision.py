"""Matrix products are in full precision unless JAX was asked for less, and then it is recorded."""

import dataclasses
import re

import jax
import jax.numpy as jnp
import pytest
from helpers import task_of

import bpjax
from bpjax.loss import HalfSquaredError
from bpjax.network import layered
from bpjax.report.command import repeat
from bpjax.results.chunks import as_ranges
from bpjax.results.identity import as_stored
from bpjax.results.schema import IDENTITY, fault_of
from bpjax.run_folder import claim
from bpjax.sweeps import scheduler
from bpjax.sweeps.crew import Crew
from bpjax.sweeps.devices import lane_mesh
from bpjax.sweeps.host_loop import environment, run_plan
from bpjax.sweeps.planning import make_plan

PRECISIONS = [(None, "HIGHEST"), ("tensorfloat32", "HIGH"), ("default", "DEFAULT")]
"""What JAX was asked for, and what the program then asks the compiler for."""


def precisions(lowered):
    """Return the precisions of all matrix products of a program, each once, and how many there are.

    The text of a product without any has none to find, and counts as DEFAULT.
    """
    lines = [line for line in lowered.as_text().splitlines() if "stablehlo.dot" in line]
    found = [re.findall(r"precision = \[(\w+), (\w+)\]", line) for line in lines]
    return {p for pair in found for p in (pair[0] if pair else ("DEFAULT",))}, len(lines)


def wide():
    """A net all of whose products are too large for sums of rows in `matrix`."""
    return task_of(layered(70, 66, 65), HalfSquaredError(), seed=4)


@pytest.mark.parametrize(("asked", "precision"), PRECISIONS)
def test_the_passes_and_their_gradient_by_jax(asked, precision):
    task = wide()
    params = bpjax.init_params(task.network, bpjax.run_key(0), 0.5)
    inputs, targets = task.cases()

    def loss(params):
        outputs = bpjax.forward(task.network, params, inputs)["output"]
        return jnp.sum((outputs - targets) ** 2)

    by_hand = jax.jit(bpjax.value_and_grad(task.network))
    with jax.default_matmul_precision(asked):
        assert precisions(by_hand.lower(params, inputs, targets)) == ({precision}, 2 + 3)
        assert precisions(jax.jit(jax.grad(loss)).lower(params)) == ({precision}, 2 + 3)


@pytest.mark.parametrize(("asked", "precision"), PRECISIONS)
@pytest.mark.parametrize("implementation", ["matrix", "batched"])
def test_the_training_programs(implementation, asked, precision):
    task = dataclasses.replace(wide(), held_out=1)
    plan = make_plan(task, 5, implementation=implementation)
    crew = Crew(plan, *plan.groups(), lane_mesh(1))
    crew.begin(as_ranges([(0, 5)]))
    with jax.default_matmul_precision(asked):
        lowered = scheduler.advance.trace(*crew.next_call()).lower(lowering_platforms=("cuda",))
    found, many = precisions(lowered)
    assert found == {precision}
    assert many >= 2 + 1 + 2, "forward, back to the hidden layer, and the question at the end"


@pytest.mark.parametrize("asked", [None, "highest", "float32"])
def test_full_precision_is_no_wish_and_leaves_no_trace_in_the_identity(asked):
    plan = make_plan(bpjax.tasks.xor(), 5)
    with jax.default_matmul_precision(asked):
        assert "matmul_precision" not in plan.identity()
        assert environment()["matmul_precision"] == "highest"


def test_what_was_asked_is_in_the_identity_and_in_the_command_that_repeats():
    plan = make_plan(bpjax.tasks.xor(), 5)
    with jax.default_matmul_precision("tensorfloat32"):
        identity = as_stored(plan.identity())
        assert environment()["matmul_precision"] == identity["matmul_precision"] == "tensorfloat32"
        without = {k: v for k, v in identity.items() if k != "matmul_precision"}
        assert repeat(without).line == "bpjax sweep xor --seeds 5"
    line = repeat(identity).line
    assert line == "JAX_DEFAULT_MATMUL_PRECISION=tensorfloat32 bpjax sweep xor --seeds 5"


def test_a_sweep_and_a_run_are_not_continued_in_another_precision(tmp_path):
    plan = make_plan(bpjax.tasks.xor(), 1, max_epochs=5)
    run_plan(plan, tmp_path / "sweep")
    claim(tmp_path / "run", plan)
    with jax.default_matmul_precision("tensorfloat32"):
        for again, name in ((run_plan, "sweep"), (lambda plan, path: claim(path, plan), "run")):
            fault = '`matmul_precision` was absent, is now "tensorfloat32"'
            with pytest.raises(bpjax.ResultsError, match=fault):
                again(plan, tmp_path / name)


@pytest.mark.parametrize("forged", [5, None, {"a": 1}])
def test_a_forged_precision_is_no_text(forged):
    identity = as_stored(make_plan(bpjax.tasks.xor(), 5).identity())
    assert fault_of(identity, IDENTITY, "identity") is None
    assert fault_of(identity | {"matmul_precision": "high"}, IDENTITY, "identity") is None
    fault = fault_of(identity | {"matmul_precision": forged}, IDENTITY, "identity")
    assert fault == "`identity.matmul_precision` is not as bpjax writes it"
