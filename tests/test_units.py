"""Every unit, with every loss, in every layout; units and losses of one's own; their words."""

import dataclasses
import decimal
import json
import math
import shlex

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from fused_runs import by_kernel, by_steps
from helpers import daily, in_time, task_of
from layout_runs import assert_same, step_by_step, trained

import bpjax
from bpjax import units
from bpjax.cli import main
from bpjax.connections import Connection, Layer
from bpjax.epoch import program_of
from bpjax.errors import ResultsError, SettingError
from bpjax.gradient_check import check_gradients
from bpjax.layouts import layout_named
from bpjax.loss import (
    LOSSES,
    CrossEntropy,
    HalfSquaredError,
    MarginSquaredError,
    loss_named,
    name_of_loss,
)
from bpjax.network import Network
from bpjax.report.command import repeat
from bpjax.results.identity import as_stored
from bpjax.sweeps.planning import make_plan
from bpjax.units import UNITS, LayerUnit, Unit, log_1_plus, softplus

XOR = bpjax.tasks.xor()
CASES = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
SINGLE = [name for name, unit in UNITS.items() if isinstance(unit, Unit)]


def side_by_side(names, output, num_out=1):
    """Return a net with a hidden layer of two units of every name between inputs and outputs."""
    hidden = [Layer(name, 2, name) for name in names]
    pairs = [pair for name in names for pair in (("input", name), (name, "output"))]
    layers = [Layer("input", 2), *hidden, Layer("output", num_out, output)]
    return Network(layers, [Connection(*pair) for pair in pairs])


def learn(network, loss, targets=(0, 1, 1, 0), **fields):
    targets = np.array(targets, float).reshape(4, -1)
    task = bpjax.Task(network, CASES, targets, loss=loss, **fields)
    return task.with_settings(learning_rate=0.05, momentum=0.5, init_range=0.7, tolerance=0.01)


EVERY = learn(side_by_side(SINGLE, "logistic"), "cross-entropy")
WORDS = learn(
    side_by_side(["softmax", "tanh"], "softmax", 2), "cross-entropy", np.eye(2)[[0, 1, 1, 0]]
)
TASKS = {
    "batch": EVERY,
    "per case": EVERY.with_settings(updates="case"),
    "some held out": dataclasses.replace(EVERY, held_out=(2,)),
    "sine outputs": learn(side_by_side(["relu"], "sine"), "half-squared"),
}
OF_LAYERS = {
    "softmax": WORDS,
    "softmax per case": WORDS.with_settings(updates="case"),
    "softmax, some held out": dataclasses.replace(WORDS, held_out=(2,)),
    "softmax, squared": WORDS.with_settings(loss="half-squared"),
}


# ---- right, in every layout ----------------------------------------------------------------------


@pytest.mark.parametrize("name", daily(["some held out"], of=TASKS))
@pytest.mark.parametrize("layout", daily(["unrolled"], of=["matrix", "unrolled"]))
def test_units_of_every_kind_learn_alike_in_every_layout(layout, name):
    assert_same(trained(TASKS[name], layout), step_by_step(TASKS[name]))


@pytest.mark.parametrize("name", daily(["softmax, some held out"], of=OF_LAYERS))
def test_units_that_look_at_their_layer_learn_alike_too(name):
    assert_same(trained(OF_LAYERS[name], "matrix"), step_by_step(OF_LAYERS[name]))


@pytest.mark.parametrize("name", [name for name in SINGLE if name != "logistic"])
@pytest.mark.usefixtures("float64")
def test_the_kernel_serves_every_unit_of_its_own(name):
    task = learn(side_by_side([name], "logistic"), "cross-entropy", held_out=(2,))
    (found, wanted) = by_kernel(task, 5), by_steps(task, 5)
    for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-13)


def test_a_layout_of_single_units_gives_way_to_one_that_sees_layers():
    unrolled = layout_named("unrolled")
    assert unrolled.why_not(program_of(EVERY), 4) is None
    rule = "each unit must look at its own total input alone"
    assert unrolled.why_not(program_of(WORDS), 4) == rule
    plan = make_plan(WORDS, 2, implementation="unrolled")
    assert plan.implementation == "matrix"
    assert rule in plan.fallback


# ---- the gradient --------------------------------------------------------------------------------

PAIRS = [(unit, loss) for unit in UNITS for loss in LOSSES] + [("softmax", "half-squared")]
FITTING = [
    (unit, loss)
    for unit, loss in dict.fromkeys(PAIRS)
    if loss != "cross-entropy" or unit in ("logistic", "softmax")
]


@pytest.mark.parametrize(
    ("output", "loss"),
    daily([("logistic", "cross-entropy"), ("softmax", "cross-entropy")], of=FITTING),
)
@pytest.mark.parametrize("shown", daily(["batch"], of=["batch", "case"]))
def test_the_gradient_of_every_unit_and_loss(output, loss, shown):
    """Hidden units of every kind, saturated too, all cases at once or one alone.

    One case alone may leave a connection no unit but saturated ones. Then neither `jax.grad` nor we
    have the digits of 1 - y^2, since y has been rounded: it is looked at within less.
    """
    network = side_by_side(UNITS, output, 3)
    rng = np.random.default_rng(3)
    inputs, targets = rng.normal(size=(5, 2)), np.eye(3)[rng.integers(0, 3, 5)]
    cases = slice(None) if shown == "batch" else slice(1)
    for seed, scale in ((0, 0.5), (1, 3.0), (2, 30.0 if shown == "batch" else 1.0)):
        with jax.enable_x64(True):
            params = bpjax.init_params(network, bpjax.run_key(seed), scale, dtype="float64")
        rule = loss_named(loss, [output])
        for check in check_gradients(network, params, inputs[cases], targets[cases], rule):
            assert check.ok, (scale, check)


def test_a_wrong_derivative_of_ones_own_is_found():
    network = bpjax.layered(2, 3, 1, unit=Unit(jnp.tanh, lambda y: 1 - y))
    params = bpjax.init_params(network, bpjax.run_key(0), 1.0)
    checks = check_gradients(network, params, CASES, XOR.targets)
    assert not all(check.ok for check in checks)
    assert all(check.versus_numpy < 1e-12 for check in checks)  # it is taken at its word there


def test_softmax_is_its_jacobian(float64):
    x, d_y = jnp.array([0.3, -1.2, 2.0]), jnp.array([0.5, -0.1, 0.7])
    unit = UNITS["softmax"]
    jacobian = jax.jacobian(lambda x: jnp.exp(x) / jnp.sum(jnp.exp(x)))(x)
    y = unit.activate(x, 0)
    np.testing.assert_allclose(unit.carry_back(d_y, y, 0), d_y @ jacobian, rtol=1e-14)
    rows = jnp.stack([x, 2 * x])
    np.testing.assert_array_equal(unit.activate(rows, 1)[0], y)
    far = unit.activate(jnp.array([1e4, 0.0]), 0)
    assert far.tolist() == [1.0, 0.0]


# ---- numbers that saturate -----------------------------------------------------------------------


def exact(function, *numbers):
    with decimal.localcontext() as context:
        context.prec = 400
        return float(function(*map(decimal.Decimal, numbers)))


@pytest.mark.parametrize(("dtype", "ulps"), [("float32", 3), ("float64", 4)])
def test_ln_of_1_plus_u_has_its_digits(dtype, ulps):
    with jax.enable_x64(dtype == "float64"):
        u = np.concatenate([np.logspace(-36, 0, 500), np.linspace(0, 1, 500)]).astype(dtype)
        found = np.asarray(jax.jit(log_1_plus)(u))
    wanted = np.log1p(u.astype(np.longdouble))
    assert np.max(np.abs(found - wanted) / np.spacing(wanted.astype(dtype))) <= ulps


def test_softplus_reaches_from_end_to_end():
    x = jnp.array([-jnp.inf, -1e4, -80.0, 0.0, 80.0, 1e4])
    found = jax.jit(softplus)(x)
    np.testing.assert_allclose(
        found, [0, 0, math.exp(-80), math.log(2), 80, 1e4], rtol=3e-7, atol=1e-45
    )


@pytest.mark.parametrize("x", [-700.0, -40.0, -1.0, 0.0, 0.3, 40.0, 700.0])
@pytest.mark.parametrize("d", [0.0, 0.2, 1.0])
def test_cross_entropy_of_logistic_outputs_has_its_digits(x, d, float64):
    def entropy(x, d):
        y = 1 / (1 + (-x).exp())
        return -(d * y.ln() + (1 - d) * (1 - y).ln())

    def slope(x, d):
        return 1 / (1 + (-x).exp()) - d

    given = jnp.array([[x]]), jnp.array([[d]])
    assert float(CrossEntropy().value(*given)) == pytest.approx(exact(entropy, x, d), rel=1e-14)
    found = float(CrossEntropy().derivative(*given)[0, 0])
    assert found == pytest.approx(exact(slope, x, d), rel=1e-14, abs=1e-17)


@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0, 300.0])
@pytest.mark.parametrize("targets", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.2, 0.5, 0.3]])
def test_cross_entropy_of_softmax_outputs_has_its_digits(scale, targets, float64):
    x = [scale * part for part in (1.5, -0.4, 0.25)]

    def share(k):
        return lambda *x: x[k].exp() / sum(part.exp() for part in x)

    def value(*x):
        return -sum(decimal.Decimal(d) * share(k)(*x).ln() for k, d in enumerate(targets))

    loss, given = CrossEntropy("softmax"), (jnp.array([x]), jnp.array([targets]))
    assert float(loss.value(*given)) == pytest.approx(exact(value, *x), rel=1e-14)
    for k, d in enumerate(targets):
        wanted = exact(lambda *x, k=k, d=d: share(k)(*x) - decimal.Decimal(d), *x)
        found = float(loss.derivative(*given)[0, k])
        assert found == pytest.approx(wanted, rel=1e-13, abs=1e-16 if 0 < d < 1 else 0.0)


@pytest.mark.slow
def test_a_saturated_output_that_is_wrong_learns_again():
    """With squared errors the slope is nearly zero there; with the cross-entropy it is one."""
    start = bpjax.Start([*[0.0] * 4, 0.0, 0.0, 0.0, 0.0, 50.0])
    runs = {
        loss: bpjax.train(
            XOR, 0, initializer=start, loss=loss, max_epochs=3, learning_rate=0.1, tolerance=1e-3
        )
        for loss in ("half-squared", "cross-entropy")
    }
    moved = {loss: abs(float(run.snapshots.weights[-1][-1]) - 50.0) for loss, run in runs.items()}
    assert moved["half-squared"] < 1e-6
    assert moved["cross-entropy"] > 0.1
    assert np.all(np.isfinite(runs["cross-entropy"].history.loss))


# ---- of one's own --------------------------------------------------------------------------------

ARCTAN = Unit(jnp.arctan, lambda x: 1 / (1 + x * x), of="preactivation")
TWICE = LayerUnit(lambda x, axis: 2 * x, lambda d_y, y, axis: 2 * d_y)


def test_a_unit_of_ones_own_stands_wherever_a_name_may(tmp_path):
    task = XOR.with_settings(hidden_unit=ARCTAN)
    assert [layer.activation for layer in task.network.computed_layers] == [ARCTAN, "logistic"]
    settings = {"max_epochs": 30, "keep_weights": True}
    found = bpjax.sweep(task, 5, out=tmp_path / "one", **settings)
    again = bpjax.sweep(XOR, 5, hidden_unit=ARCTAN, out=tmp_path / "one", **settings)
    assert found["weights"].tobytes() == again["weights"].tobytes()
    other = dataclasses.replace(ARCTAN, flat_spot=0.1)
    with pytest.raises(ResultsError, match="units"):
        bpjax.sweep(XOR, 5, hidden_unit=other, out=tmp_path / "one", **settings)
    told = json.loads((tmp_path / "one" / "sweep.json").read_text())["identity"]["task"]
    assert told["units"]["hidden"].startswith("program ")
    assert main(["report", str(tmp_path / "one"), "--out", str(tmp_path / "page.html")]) == 0
    grid = bpjax.sweep(XOR, 5, hidden_unit=[ARCTAN, "tanh"], max_epochs=30, out=tmp_path / "two")
    assert grid["loss"][:5].tobytes() == found["loss"].tobytes()
    first, second = json.loads((tmp_path / "two" / "sweep.json").read_text())["identity"]["grid"][
        "hidden_unit"
    ]
    assert first.startswith("program ")
    assert second == "tanh"


def test_a_layer_unit_of_ones_own():
    net = bpjax.layered(2, 3, 1, unit=TWICE)
    params = bpjax.init_params(net, bpjax.run_key(0), 1.0)
    assert all(check.ok for check in check_gradients(net, params, CASES, XOR.targets))
    found = bpjax.sweep(XOR, 3, hidden_unit=TWICE, max_epochs=5)
    assert found.table.identity["implementation"] == "matrix"


def test_the_units_of_all_copies_in_time_change_together():
    task = task_of(in_time(), HalfSquaredError(), 0)
    task = task.with_settings(hidden_unit="tanh", output_unit="linear")
    for network in (task.network, task.network.iterated):
        for layer in network.computed_layers:
            wanted = {"answer": "linear"}.get(layer.bias_key, "tanh")
            assert layer.activation == wanted, layer


# ---- by name -------------------------------------------------------------------------------------


def test_losses_have_names_and_names_have_losses():
    for name in LOSSES:
        for output in ("logistic", "softmax"):
            assert name_of_loss(loss_named(name, [output]), [output]) == name
    assert loss_named("margin( on=.9 )", ["logistic"]).on == 0.9
    assert name_of_loss(loss_named("margin(on=0.9)", []), []) == "margin(on=0.9)"
    by_case = loss_named("margin(scope=case, measured_from=margin)", [])
    assert by_case == MarginSquaredError(measured_from="margin", scope="case")
    assert name_of_loss(by_case, []) == "margin(measured_from=margin, scope=case)"
    assert name_of_loss(object(), []) is None


@pytest.mark.parametrize(
    "settings",
    [
        {"unit": "tanh"},
        {"hidden_unit": "relu", "loss": "cross-entropy"},
        {"output_unit": "linear"},
        {"hidden_unit": ["tanh", "sine"], "loss": "cross-entropy"},
        {"loss": "margin(on=0.9)"},
        {"loss": "margin(scope=case)"},
    ],
    ids=str,
)
def test_a_sweep_can_be_repeated_by_its_words(settings):
    plan = make_plan(XOR, 7, **settings)
    words = repeat(as_stored(plan.identity())).line
    for name, value in settings.items():
        values = value if isinstance(value, list) else [value]
        assert f"--{name.replace('_', '-')} {shlex.join(values)}" in words


def test_the_cross_entropy_follows_the_output_units():
    task = XOR.with_settings(loss="cross-entropy")
    assert task.with_settings(output_unit="softmax").loss == CrossEntropy("softmax")
    assert task.with_settings(hidden_unit="softmax").loss == CrossEntropy()
    assert XOR.with_settings(output_unit="softmax").loss == HalfSquaredError()
    plan = make_plan(XOR, 1, loss="cross-entropy", output_unit=["logistic", "softmax"])
    assert [cell.task.loss.unit for cell in plan.cells] == ["logistic", "softmax"]


@pytest.mark.parametrize(("off", "on"), [(-1, 1), (0, 1.5)])
def test_the_cross_entropy_is_for_targets_that_are_probabilities(off, on):
    cases = [[0, 0], [0, 1]], [off, on]
    with pytest.raises(SettingError, match="`targets` must be from 0 to 1 for the cross-entropy"):
        bpjax.Task.from_arrays(*cases, 2, loss="cross-entropy")
    assert bpjax.Task.from_arrays(*cases, 2, output_unit="tanh")


def test_the_command_line_takes_units_and_losses(tmp_path, capsys):
    out = tmp_path / "one"
    words = ("sweep", "xor", "--seeds", "20", "--max-epochs", "300", "--no-figures")
    options = ("--hidden-unit", "tanh", "--loss", "cross-entropy", "--json", "--out", str(out))
    assert main([*words, *options]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["settings"]["units"] == "tanh, logistic"
    assert summary["settings"]["loss"] == "CrossEntropy(unit='logistic')"
    ours = bpjax.sweep(XOR, 20, hidden_unit="tanh", loss="cross-entropy", max_epochs=300)
    assert summary["converged"] == int(np.sum(ours["status"] == bpjax.Status.CONVERGED))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--unit", "x"), "bpjax: --unit must be one of logistic, tanh"),
        (("--output-unit", "x"), "bpjax: --output-unit must be one of logistic, tanh"),
        (("--loss", "x"), "bpjax: --loss must be one of half-squared, margin, cross-entropy"),
        (("--loss", "margin(on=0.1)"), "bpjax: --loss must be right in off, on"),
        (
            ("--loss", "margin(scope=net)"),
            "bpjax: --loss must be right in scope, which must be 'unit'",
        ),
        (("--loss", "margin(scope=3)"), "bpjax: --loss must have a word as scope"),
        (("--loss", "cross-entropy", "--unit", "tanh"), "is for logistic ones, not for"),
        (("--loss", "cross-entropy(x=1)"), "must have no options in brackets"),
    ],
)
def test_wrong_words_are_one_sentence(words, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", "xor", "--seeds", "3", *words]) == 2
    said = capsys.readouterr()
    assert says in said.err
    assert said.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: Layer("a", 1, "x"), "`activation` of layer 'a' must be one of logistic, tanh"),
        (lambda: Layer("a", 1, 3), "or a Unit, got 3"),
        (lambda: Unit(1, 2), "`function` must be a function"),
        (lambda: Unit(jnp.tanh, jnp.tanh, of="y"), "`of` must be 'activation' or"),
        (lambda: LayerUnit(jnp.tanh, None), "`backward` must be a function"),
        (lambda: CrossEntropy("tanh"), "`unit` must be 'logistic' or 'softmax'"),
        (
            lambda: learn(
                bpjax.layered(2, 2, unit="tanh"), CrossEntropy(), np.eye(2)[[0, 1, 1, 0]]
            ),
            "CrossEntropy(unit='logistic') is for logistic ones, not for, got 'tanh'",
        ),
        (
            lambda: bpjax.value_and_grad(bpjax.layered(2, 1, unit="tanh"), CrossEntropy())(
                bpjax.init_params(bpjax.layered(2, 1), bpjax.run_key(0), 1.0),
                jnp.zeros((1, 2)),
                jnp.zeros((1, 1)),
            ),
            "is for logistic ones",
        ),
        (lambda: units.activities("x", np.zeros(2)), "must be one of logistic"),
    ],
)
def test_what_is_no_unit_or_does_not_fit_is_refused(build, says):
    with pytest.raises(SettingError) as fault:
        build()
    assert says in str(fault.value)
    assert HalfSquaredError().sums_over_units
