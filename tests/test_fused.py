"""The kernel for GPUs: interpreted on a CPU against `epoch.step`, and written down for CUDA.

Nothing here shows that it runs on a GPU; tests/test_gpu.py does, where there is one.
"""

import dataclasses
import functools
import inspect
import itertools
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from fused_runs import RUNS, SERVED, TASKS, by_kernel, by_steps, started
from helpers import daily

import bpjax.layouts
from bpjax.cli import main
from bpjax.layouts import fused, lanes, unrolled
from bpjax.learning import name_of
from bpjax.loss import HalfSquaredError
from bpjax.results.chunks import as_ranges
from bpjax.status import Status
from bpjax.sweeps import scheduler
from bpjax.sweeps.crew import Crew
from bpjax.sweeps.devices import lane_mesh
from bpjax.sweeps.planning import make_plan
from bpjax.tasks import encoder, make_task, xor


def assert_same(ours, theirs, rtol=1e-10):
    np.testing.assert_array_equal(ours.status, theirs.status)
    np.testing.assert_array_equal(ours.epoch, theirs.epoch)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol / 100)


SIZES = list(zip(TASKS, itertools.cycle((5, 129, 1, 127))))  # one of them is endless


@pytest.mark.parametrize(
    ("name", "num_runs"), daily([one for one in SIZES if one[1] in (1, 5)], of=SIZES)
)
@pytest.mark.usefixtures("float64")
def test_the_kernel_computes_what_single_runs_give(name, num_runs):
    """Also where the last block of 128 is all but empty, or all but full."""
    assert_same(by_kernel(TASKS[name], num_runs), by_steps(TASKS[name], num_runs))


def test_it_serves_the_smaller_tasks_of_the_paper_and_the_chapter():
    small = ["addition", "encoder", "graded-code", "negation", "parity", "shift-register"]
    assert {*small, "symmetry"} <= {*SERVED}
    assert not {"t-c", "sequence", "timing", "family-trees"} & {*SERVED}


# ---- whatever the stride, the block and the neighbours ------------------------------------------


OTHER_RULES = [name for name, task in TASKS.items() if task.recipe.optimizer != "paper"]


def some(runs, where):
    return jax.tree.map(lambda leaf: leaf[..., where], runs)


def bits(runs):
    return [leaf.tobytes() for leaf in jax.tree.leaves(runs)]


@pytest.fixture(scope="module")
def many():
    """Runs of XOR to their outcomes, over three blocks of which the last is not full."""
    return by_kernel(xor(), 259, "float32", (400,), 399)


def test_runs_end_each_in_its_time_and_stay_as_they_are(many):
    assert {Status.CONVERGED, Status.MAX_EPOCHS} == set(many.status)
    longer = by_kernel(xor(), 259, "float32", (400, 31), 10_000)
    done = many.status == Status.CONVERGED
    assert 5 < done.sum() < 250
    weights = [some(runs.params, done) for runs in (many, longer)]
    assert bits(weights[0]) == bits(weights[1])
    np.testing.assert_array_equal(many.epoch[done], longer.epoch[done])
    assert (longer.epoch[~done] > 399).any()


def test_strides_and_neighbours_show_nowhere(many):
    in_strides = by_kernel(xor(), 259, "float32", (1, 7, 92, 300), 399)
    assert bits(in_strides.params) == bits(many.params)
    few = by_kernel(xor(), 3, "float32", (400,), 399)
    assert bits(few.params) == bits(some(many.params, slice(3)))


def test_a_run_that_leaves_the_numbers_ends_and_harms_nobody(many):
    runs = by_kernel(xor(), 259, "float32", (400,), 399, rate=np.nan)
    assert (runs.status[1], runs.epoch[1]) == (Status.NONFINITE, 1)
    others = np.arange(259) != 1
    assert bits(some(runs.params, others)) == bits(some(many.params, others))


@pytest.mark.slow
@pytest.mark.parametrize("block_size", [37])
def test_a_sweep_with_refilled_lanes_has_the_outcomes_of_another_layout(monkeypatch, block_size):
    monkeypatch.setattr(fused, "LAYOUT", fused.LAYOUT._replace(why_not_here=lambda: None))
    words = {"precision": "float64", "block_size": block_size, "max_epochs": 40}
    task = xor().with_settings(tolerance=0.5013)
    ours = bpjax.sweep(task, 6, implementation="fused", **words)
    theirs = bpjax.sweep(task, 6, implementation="matrix", **words)
    assert ours.table.identity["implementation"] == "fused"
    assert len(set(theirs["epochs"])) > 2
    for column in ("seed", "status", "epochs"):
        np.testing.assert_array_equal(ours[column], theirs[column])


# ---- written down for CUDA -----------------------------------------------------------------------


def test_every_rule_that_it_serves_is_tried():
    tried = {name_of(task.recipe.optimizer) for task in TASKS.values()}
    assert tried == set(fused.OPTIMIZERS)


@pytest.mark.parametrize(
    "name",
    daily(
        ["xor", "all at once", "per case", "any units", *OTHER_RULES[:2]],
        of=["xor", "all at once", "per case", "any units", *OTHER_RULES],
    ),
)
def test_the_kernel_lowers_for_cuda_without_a_card(name):
    task = TASKS[name]
    program, settings, runs = started(task, RUNS, "float32")
    arithmetic, cases = lanes.Arithmetic(program, "gpu"), unrolled.cases_of(task, program)
    advance = jax.jit(functools.partial(fused.advance, arithmetic, task.num_cases, cases))
    traced = advance.trace(jnp.int32(9), jnp.int32(9), settings, runs)
    assert "mosaic_gpu" in traced.lower(lowering_platforms=("cuda",)).as_text()


def test_the_whole_training_program_lowers_for_cuda(monkeypatch):
    monkeypatch.setattr(fused, "LAYOUT", fused.LAYOUT._replace(why_not_here=lambda: None))
    monkeypatch.setattr(
        scheduler, "Arithmetic", lambda program, _: lanes.Arithmetic(program, "gpu")
    )
    plan = make_plan(xor(), 5, implementation="fused", block_size=200)
    crew = Crew(plan, *plan.groups(), lane_mesh(1))
    crew.begin(as_ranges([(0, 5)]))
    lowered = scheduler.advance.trace(*crew.next_call()).lower(lowering_platforms=("cuda",))
    assert "mosaic_gpu" in lowered.as_text()


# ---- where it gives way --------------------------------------------------------------------------


@pytest.mark.slow
def test_on_a_cpu_it_gives_way_and_the_reason_is_recorded(tmp_path, capsys):
    reason = (
        "fused gave way to unrolled: it needs an NVIDIA GPU of the Hopper generation or newer, "
        "and JAX runs on cpu here"
    )
    plan = make_plan(xor(), 1, implementation="fused")
    assert (plan.implementation, plan.fallback) == ("unrolled", reason)
    assert plan.identity() == make_plan(xor(), 1).identity()
    words = ["--seeds", "3", "--max-epochs", "5", "--out", f"{tmp_path}/sweep", "--no-figures"]
    assert main(["sweep", "xor", "--implementation", "fused", *words]) == 0
    assert reason in capsys.readouterr().out
    for file in ("sweep.json", "summary.json"):
        assert reason in (tmp_path / "sweep" / file).read_text()
    words = ["--seed", "3", "--max-epochs", "5", "--out", f"{tmp_path}/run", "--no-figures"]
    assert main(["train", "xor", "--implementation", "fused", *words]) == 0
    assert reason in capsys.readouterr().out
    assert reason in (tmp_path / "run" / "run.json").read_text()


@dataclasses.dataclass(frozen=True)
class Card:
    """What JAX says of a GPU."""

    compute_capability: str
    device_kind: str = "some card"
    platform: str = "gpu"


@pytest.mark.parametrize("capability", ["8.9", "gfx90a"])
def test_older_cards_and_those_of_others_are_refused(monkeypatch, capability):
    monkeypatch.setattr(jax, "local_devices", lambda: [Card(capability)])
    assert f"and this is some card ({capability})" in fused.why_not_here()


@pytest.mark.parametrize("capability", ["9.0", "10.0", "12.0"])
def test_newer_cards_are_not(monkeypatch, capability):
    monkeypatch.setattr(jax, "local_devices", lambda: [Card(capability)])
    assert fused.why_not_here() is None


class Squares:
    """A loss of the user's own, without values for single units."""

    sums_over_units = True
    value = staticmethod(HalfSquaredError().value)
    derivative = staticmethod(HalfSquaredError().derivative)


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        (xor().with_settings(optimizer="adam"), "the optimizer must be one of paper, sgd, neste"),
        (dataclasses.replace(xor(), loss=Squares()), "the loss must have a method `unit_values`"),
        (encoder(8, 4), "a run must need at most 224 numbers at once, not 265"),
        (encoder(16, 4), "cases times weights must be at most 2048, not 2368"),
        (make_task("family-trees"), "cases times weights must be at most 2048"),
    ],
)
def test_it_gives_way_where_it_cannot_serve_the_net(monkeypatch, task, reason):
    monkeypatch.setattr(fused, "LAYOUT", fused.LAYOUT._replace(why_not_here=lambda: None))
    plan = make_plan(task, 1, implementation="fused")
    assert plan.implementation == make_plan(task, 1).implementation
    assert plan.fallback.startswith(f"fused gave way to {plan.implementation}: {reason}")


# ---- teeth ---------------------------------------------------------------------------------------


MUTATIONS = [
    (fused, "loss.derivative(seen, target)", "loss.derivative(target, seen)"),  # (4)
    (fused, "counts != 0", "counts == 0"),
    (fused, "lax.fori_loop(0, num_epochs", "lax.fori_loop(1, num_epochs"),
    (unrolled, "_plus(d_x, unit.carry_back(d_y, seen, axis=0))  # (5)", "d_y"),
    (unrolled, "d_x * weight", "d_x"),  # (7)
]


def run_text(source, name):
    module = types.ModuleType(name)
    exec(compile(source, f"changed {name}.py", "exec"), vars(module))
    return module


@pytest.fixture(scope="module")
def expected():
    with jax.enable_x64(True):
        return by_steps(TASKS["all at once"])


@pytest.mark.parametrize(("module", "old", "new"), MUTATIONS)
@pytest.mark.usefixtures("float64")
def test_arithmetic_broken_in_one_place_is_noticed(monkeypatch, expected, module, old, new):
    source = inspect.getsource(module)
    assert source.count(old) == 1
    broken = run_text(source.replace(old, new), module.__name__)
    if module is unrolled:  # the kernel is made of it
        monkeypatch.setattr(bpjax.layouts, "unrolled", broken)
        broken = run_text(inspect.getsource(fused), fused.__name__)
    with pytest.raises(AssertionError):
        assert_same(by_kernel(TASKS["all at once"], kernel=broken), expected)
