"""What a user brings to a sweep is told by what it computes, not by its words (P17)."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bpjax
from bpjax import Initializer, units
from bpjax.brought import UNTOLD
from bpjax.connections import Connection, Layer
from bpjax.loss import HalfSquaredError
from bpjax.network import Network
from bpjax.results.identity import differences
from bpjax.starts.plane import Plane
from bpjax.sweeps.host_loop import run_plan
from bpjax.sweeps.planning import make_plan
from bpjax.tasks import xor
from bpjax.traced import Untraceable, program_of

HERE = Path(__file__).parent


def power_loss(exponent, name="Power", scale=None, bend=False):
    """Return a loss with the same words whatever it computes."""

    @dataclasses.dataclass(frozen=True)
    class Loss:
        def value(self, outputs, targets):
            return jnp.sum(self._each(outputs, targets))

        def _each(self, outputs, targets):
            each = jnp.abs(outputs - targets) ** exponent / exponent
            each = each if scale is None else each * jnp.asarray(scale, outputs.dtype)
            return jnp.where(outputs > 0.5, each, 2 * each) if bend else each

        def derivative(self, outputs, targets):
            return jax.grad(lambda y: self.value(y, targets))(outputs)

        def __repr__(self):
            return "Power()"

    Loss.__name__ = Loss.__qualname__ = name
    return Loss()


def biased(shift, spread=1.0):
    """Return an initialiser with the words of ours."""

    class Shifted(Initializer):
        def params_of(self, network, seed, init_range, dtype=jnp.float32):
            params = super().params_of(network, seed, init_range, dtype)
            return jax.tree.map(lambda w: spread * w + jnp.asarray(shift, dtype), params)

    return Shifted()


def told(**changes):
    task = changes.pop("task", xor())
    if "loss" in changes:
        task = dataclasses.replace(task, loss=changes.pop("loss"))
    described = make_plan(task, 5, **changes).identity()["task"]
    return {"loss": described["loss"], **described["recipe"], **described.get("units", {})}


CHANGED = {
    "exponent": lambda: (power_loss(4.0), power_loss(6.0)),
    "number in a closure": lambda: (power_loss(2.0, scale=1.5), power_loss(2.0, scale=1.25)),
    "last bit": lambda: (power_loss(2.0, scale=1.0), power_loss(2.0, scale=1 + 2.0**-23)),
    "array": lambda: tuple(power_loss(2.0, scale=np.arange(4.0)[:, None] + k) for k in (0, 1)),
    "float16": lambda: tuple(power_loss(2.0, scale=np.float16(k)) for k in (0.5, 0.25)),
    "nan": lambda: tuple(power_loss(2.0, scale=k) for k in (np.nan, np.inf)),
    "zeros of two signs": lambda: tuple(power_loss(2.0, scale=k) for k in (0.0, -0.0)),
    "branch": lambda: (power_loss(2.0), power_loss(2.0, bend=True)),
}


@pytest.mark.parametrize("change", CHANGED)
def test_a_loss_of_the_same_words_that_computes_something_else_is_another(change):
    one, other = CHANGED[change]()
    again, _ = CHANGED[change]()
    assert repr(one) == repr(other)
    assert told(loss=one)["loss"] != told(loss=other)["loss"]
    assert told(loss=one)["loss"] == told(loss=again)["loss"]


def test_the_same_computation_has_the_same_program_whatever_it_is_called():
    words = [told(loss=power_loss(4.0, name))["loss"] for name in ("Power", "Quartic")]
    assert words[0] == words[1]
    assert words[0].startswith("program ")


@given(st.lists(st.floats(allow_nan=False, width=32), min_size=1, max_size=4))
@settings(max_examples=20, deadline=None)
def test_every_number_of_a_closure_counts(numbers):
    vector = jax.ShapeDtypeStruct((len(numbers),), "float32")

    def fingerprint(numbers):
        constant = np.array(numbers, np.float32)
        return program_of({"f": (lambda x: jnp.sin(x * constant), (vector,))})

    same = fingerprint(numbers)
    assert fingerprint(list(numbers)) == same
    for k in range(len(numbers)):
        other = np.array(numbers, np.float32)
        other[k] = np.nextafter(other[k], np.float32(7e37))
        assert fingerprint(other) != same


def inner(kind, constant):
    """Return a function with a number deep inside of what JAX nests."""
    vector = np.arange(3, dtype=np.float32) * np.float32(constant)
    return {
        "jit": lambda x: jax.jit(lambda y: y * vector)(x),
        "scan": lambda x: jax.lax.scan(lambda s, row: (s + row * vector, row), x, x[None])[0],
        "while": lambda x: jax.lax.while_loop(lambda y: y[0] < 9, lambda y: y + 1 + vector, x),
        "cond": lambda x: jax.lax.cond(x[0] > 0, lambda y: y * vector, lambda y: y, x),
        "checkpoint": jax.grad(lambda x: jnp.sum(jax.checkpoint(lambda y: jnp.sin(y * vector))(x))),
        "custom_jvp": lambda x: jax.nn.relu(x * vector),
        "power": lambda x: x**constant,
        "reduce": lambda x: jax.lax.reduce(x, 0.0, lambda a, b: a * b + constant, (0,)),
        "random": lambda x: x * constant + jax.random.normal(jax.random.key(5), x.shape),
        "vmap": lambda x: jax.vmap(lambda y: y * constant)(x),
    }[kind]


@pytest.mark.parametrize(
    "kind",
    "jit scan while cond checkpoint custom_jvp power reduce random vmap".split(),  # noqa: SIM905
)
def test_a_number_deep_inside_counts(kind):
    vector = jax.ShapeDtypeStruct((3,), "float32")
    one, again, other = (
        program_of({"f": (inner(kind, constant), (vector,))}) for constant in (2, 2, 3)
    )
    assert one == again
    assert one != other


@dataclasses.dataclass(frozen=True)
class Everywhere:
    """An initialiser that is no subclass of ours: all weights at one number, which seeds spread."""

    at: float
    num_seeds: int = 100

    def check(self, network):
        """Any network will do."""

    def params_of(self, network, seed, init_range, dtype=jnp.float32):
        drawn = Initializer().params_of(network, seed, init_range, dtype)
        return jax.tree.map(lambda w: w + jnp.asarray(self.at, dtype), drawn)


def test_an_initialiser_need_be_no_subclass_of_ours(tmp_path):
    settings = {"max_epochs": 20, "init_range": 0.25}
    ours = bpjax.sweep(xor(), 10, **settings, initializer=Everywhere(0.0))
    assert np.array_equal(ours["loss"], bpjax.sweep(xor(), 10, **settings)["loss"])
    bpjax.sweep(xor(), 10, **settings, initializer=Everywhere(0.5), out=tmp_path / "sweep")
    with pytest.raises(bpjax.ResultsError, match="initializer"):
        bpjax.sweep(xor(), 10, **settings, initializer=Everywhere(1.5), out=tmp_path / "sweep")
    with pytest.raises(bpjax.SettingError, match="all seeds at or below 99"):
        bpjax.sweep(xor(), 101, **settings, initializer=Everywhere(0.5))


@pytest.mark.parametrize("given", ["uniform", object(), Everywhere, ["a list"]])
def test_what_has_no_such_methods_is_no_initialiser(given):
    with pytest.raises(bpjax.SettingError, match=r"`initializer` must be an Initializer, Start, "):
        xor().with_settings(initializer=given)


def test_initialisers_rules_and_units_are_told_by_what_they_compute(monkeypatch):
    for setting, one, again, other in (
        ("initializer", biased(0.1), biased(0.1), biased(0.2)),
        ("initializer", biased(0.0, 0.5), biased(0.0, 0.5), biased(0.0, 0.25)),
        ("optimizer", optax.rmsprop(0.1), optax.rmsprop(0.1), optax.rmsprop(0.2)),
        ("optimizer", optax.sgd(0.1), optax.sgd(0.1), optax.sgd(0.1, nesterov=True, momentum=0.9)),
        ("initializer", Plane(*PLACES, rest=biased(0.1)), Plane(*PLACES, rest=biased(0.1)), None),
    ):
        words = [told(**{setting: x})[setting] for x in (one, again, other) if x is not None]
        assert words[0] == words[1]
        assert words[0].startswith("program ")
        assert len(words) < 3 or words[2] != words[0]

    found = []
    for slope in (1.0, 1.0, 2.0):
        unit = units.Unit(lambda x, k=slope: k * x, lambda y, k=slope: k + 0 * y)
        monkeypatch.setitem(units.UNITS, "ramp", unit)
        layers = [Layer("input", 2), Layer("output", 1, "ramp")]
        network = Network(layers, [Connection("input", "output")])
        found.append(told(task=dataclasses.replace(xor(), network=network))["output"])
    assert found[0] == found[1] != found[2]


PLACES = ("input[0] -> hidden[0]", "bias output[0]")


def test_what_is_ours_is_told_by_its_words():
    words = told()
    assert words["loss"] == "HalfSquaredError()"
    assert words["initializer"] == "Initializer(distribution='uniform', biases='drawn')"
    assert words["optimizer"] == "paper"
    assert told(initializer=Plane(*PLACES))["initializer"].startswith("Plane(x=")


def test_a_method_put_in_place_of_ours_is_not_ours(monkeypatch):
    alone = HalfSquaredError()
    object.__setattr__(alone, "value", lambda outputs, targets: jnp.sum(outputs))
    assert told(loss=alone)["loss"].startswith("program ")
    before = told()["loss"]
    monkeypatch.setattr(HalfSquaredError, "derivative", lambda self, y, d: 2 * (y - d))
    assert told()["loss"] != before


def test_the_precision_in_which_it_computes_counts():
    class Both(HalfSquaredError):
        def derivative(self, outputs, targets):
            return (outputs - targets) * (1 if outputs.dtype == jnp.float32 else self.factor)

    Both.factor = 1
    one = told(loss=Both(), precision="float64")
    Both.factor = 2
    assert told(loss=Both(), precision="float64")["loss"] != one["loss"]


def test_two_processes_agree():
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import test_brought as t, optax\n"
        "print([t.told(loss=t.power_loss(4.0))['loss'], t.told(initializer=t.biased(0.1))"
        "['initializer'], t.told(optimizer=optax.rmsprop(0.1))['optimizer']])"
    )
    ours = [
        told(loss=power_loss(4.0))["loss"],
        told(initializer=biased(0.1))["initializer"],
        told(optimizer=optax.rmsprop(0.1))["optimizer"],
    ]
    environment = os.environ | {"PYTHONHASHSEED": "77", "PYTHONPATH": str(HERE.parent)}
    done = subprocess.run(
        [sys.executable, "-c", program, str(HERE)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == str(ours), done.stderr


# ---- folders ------------------------------------------------------------------------------------


def test_a_folder_of_the_same_words_is_refused_and_of_the_same_computation_resumed(tmp_path):
    def swept(loss, name="sweep"):
        task = dataclasses.replace(xor(), loss=loss)
        return run_plan(make_plan(task, 6, max_epochs=300, block_size=8), tmp_path / name)

    first = swept(power_loss(2.0))
    with pytest.raises(bpjax.ResultsError, match=r"`task.loss` was \"program \w{16}\", is now \"p"):
        swept(power_loss(4.0))
    same = swept(power_loss(2.0, name="Renamed"))
    np.testing.assert_array_equal(same["loss"], first["loss"])
    assert same.timing.runs == 6, "nothing was trained again: the timing is the first one's"


@pytest.mark.parametrize(
    ("setting", "one", "other"),
    [
        ("initializer", lambda: biased(0.1), lambda: biased(0.2)),
        ("optimizer", lambda: optax.rmsprop(0.1), lambda: optax.rmsprop(0.2)),
    ],
)
def test_the_part_is_named(setting, one, other):
    old, new = (make_plan(xor(), 5, **{setting: x()}).identity() for x in (one, other))
    (said,) = differences(old, new)
    assert said.startswith(f"`task.recipe.{setting}` was ")


def test_a_rule_in_a_grid_is_told_too():
    plan = make_plan(xor(), 5, optimizer=[optax.sgd(0.1), optax.sgd(0.2), "paper"])
    first, second, third = plan.identity()["grid"]["optimizer"]
    assert first != second
    assert third == "paper"
    assert [cell.columns["optimizer"] for cell in plan.cells] == [first, second, third]
    json.dumps(plan.identity())


def calling_back():
    class Calls(HalfSquaredError):
        def value(self, outputs, targets):
            shape = jax.ShapeDtypeStruct((), outputs.dtype)
            return jax.pure_callback(lambda y: np.sum(y), shape, outputs)

    return Calls()


def changing():
    times = []

    class Counts(HalfSquaredError):
        def value(self, outputs, targets):
            times.append(0)
            return jnp.sum(outputs) * len(times)

    return Counts()


@pytest.mark.parametrize(
    ("loss", "rule"),
    [
        (calling_back, "must not call back into Python if results go to a folder, got 'Calls'"),
        (changing, "must compute the same whenever it is called if results go to a folder"),
    ],
)
def test_what_cannot_be_told_again_is_refused_where_results_are_kept(loss, rule, tmp_path):
    plan = make_plan(dataclasses.replace(xor(), loss=loss()), 5, max_epochs=3)
    with pytest.raises(bpjax.SettingError, match=rule):
        run_plan(plan, tmp_path / "sweep")
    assert not (tmp_path / "sweep").exists()
    assert plan.identity(lasting=False)["task"]["loss"] == UNTOLD


def test_a_callback_of_any_kind_is_untraceable():
    number = jax.ShapeDtypeStruct((), "float32")
    for function in (
        lambda x: jax.pure_callback(np.sin, number, x),
        lambda x: jax.experimental.io_callback(np.sin, number, x),
        lambda x: (jax.debug.print("{}", x), x)[1],
    ):
        with pytest.raises(Untraceable, match="must not call back into Python"):
            program_of({"f": (function, (number,))})


def test_an_equal_loss_that_computes_something_else_is_not_served_an_old_program():
    class Changes(HalfSquaredError):
        factor = 1.0

        def derivative(self, outputs, targets):
            return self.factor * (outputs - targets)

    def losses():
        task = dataclasses.replace(xor(), loss=Changes())
        return bpjax.sweep(task, 4, max_epochs=20, block_size=8)["loss"]

    first = losses()
    Changes.factor = 2.0
    second = losses()
    assert (first != second).all()
    np.testing.assert_array_equal(second, losses())


# ---- what else defines a sweep -------------------------------------------------------------------


def test_every_digit_of_a_criterion_is_in_the_identity():
    one, other = (make_plan(xor(), 5, tolerance=t).identity() for t in (0.4, 0.4000000001))
    assert one["task"]["criterion"] == "tolerance 0.4"
    assert one != other
