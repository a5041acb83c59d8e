"""The page of `bpjax explain`, in a browser: every number on it is that of backprop.py."""

import base64
import dataclasses
import functools
import itertools
import json
import unicodedata
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import daily

import bpjax
from bpjax.backprop import backward_pass, enters, forward_pass, seen_by_loss, total_input
from bpjax.cli import main
from bpjax.display import Display
from bpjax.errors import SettingError
from bpjax.explain import page
from bpjax.explain.functions import script_of
from bpjax.explain.lesson import MOST_NUMBERS, frames_of, is_paper, lesson_of
from bpjax.held_out import error_of, trained_by
from bpjax.loss import CrossEntropy
from bpjax.network import Connection, Layer, Network, layered
from bpjax.params import flatten_params, unflatten_params
from bpjax.schedule import as_schedule
from bpjax.tasks import make_task
from bpjax.units import UNITS, LayerUnit, Unit

COMMAND = ["bpjax", "explain", "xor"]


def every_unit():
    """Return a net with a layer of every unit that has a name; one layer is frozen."""
    names = ["input", *UNITS, "output"]
    layers = [Layer("input", 2), *(Layer(unit, 3, activation=unit) for unit in UNITS)]
    pairs = [*itertools.pairwise(names), ("relu", "output")]
    net = Network(
        [*layers, Layer("output", 3, activation="softmax", frozen_bias=True)],
        [Connection(*pair, frozen=pair[1] == "sine") for pair in pairs],
    )
    recipe = bpjax.Recipe(0.3, weight_decay=0.01, init_range=1.0)
    kinds = np.eye(3)[[0, 1, 2, 0]]
    return bpjax.Task(
        net, bpjax.tasks.xor().inputs, kinds, recipe=recipe, loss=CrossEntropy("softmax")
    )


@dataclasses.dataclass(frozen=True)
class LogCosh:
    """A loss of a user's own: E = sum of ln cosh of the errors."""

    sums_over_units: ClassVar[bool] = True

    def value(self, outputs, targets):
        return jnp.sum(self.unit_values(outputs, targets))

    def unit_values(self, outputs, targets):
        return jnp.log1p(2 * jnp.sinh((outputs - targets) / 2) ** 2)

    def derivative(self, outputs, targets):
        return jnp.tanh(outputs - targets)


@dataclasses.dataclass(frozen=True)
class LogisticLoss:
    """Another, of total inputs."""

    of: ClassVar[str] = "preactivation"
    sums_over_units: ClassVar[bool] = True

    def value(self, outputs, targets):
        return jnp.sum(self.unit_values(outputs, targets))

    def unit_values(self, outputs, targets):
        return jnp.logaddexp(outputs, 0) - targets * outputs

    def derivative(self, outputs, targets):
        return jax.nn.sigmoid(outputs) - targets


ARCTAN = Unit(jnp.arctan, lambda x: 1 / (1 + x * x), of="preactivation")
SOFTSIGN = Unit(lambda x: x / (1 + jnp.abs(x)), lambda y: (1 - jnp.abs(y)) ** 2)


def of_ones_own(loss):
    """Return a task with two kinds of units and a loss of a user's own."""
    layers = [
        Layer("input", 2),
        Layer("early", 3, activation=ARCTAN),
        Layer("late", 3, activation=SOFTSIGN),
        Layer("output", 1),
    ]
    pairs = itertools.pairwise(layer.name for layer in layers)
    net = Network(layers, [Connection(*pair) for pair in pairs])
    xor = bpjax.tasks.xor()
    return bpjax.Task(net, xor.inputs, xor.targets, loss=loss)


def of_three_kinds(**settings):
    """Return a task with three outputs, of which one is right for every case."""
    rng = np.random.default_rng(5)
    kinds = np.eye(3)[[0, 1, 2, 1, 2, 0, 0]]
    return bpjax.Task.from_arrays(rng.normal(size=(7, 2)), kinds, hidden=(3,), **settings)


# Skips, shared and tied weights, copies in time, a schedule, decay, a margin, cases held out; other
# units and losses; other ways to show the cases; frozen weights.
RUNS = {
    "xor": (bpjax.tasks.xor, {}),
    "none": (lambda: make_task("xor", hidden=0), {"max_epochs": 60}),
    "direct": (lambda: make_task("xor", direct=True), {"max_epochs": 60}),
    "symmetry": (bpjax.tasks.symmetry, {"max_epochs": 120}),
    "encoder": (bpjax.tasks.encoder, {"max_epochs": 120}),
    "tied": (lambda: make_task("t-c"), {"max_epochs": 20}),
    "in time": (lambda: make_task("shift-register"), {}),
    "family": (
        lambda: bpjax.tasks.family_trees(held_out=4),
        {"max_epochs": 40, "decay_biases": False},
    ),
    "margin": (
        lambda: bpjax.tasks.family_trees(measured_from="target", scope="case"),
        {"max_epochs": 3},
    ),
    "sgd": (bpjax.tasks.xor, {"max_epochs": 20, "optimizer": "sgd"}),
    "by case": (bpjax.tasks.xor, {"max_epochs": 20, "updates": "case"}),
    "units": (every_unit, {"max_epochs": 8}),
    "softmax": (
        lambda: of_three_kinds(output_unit="softmax", loss="cross-entropy"),
        {"max_epochs": 40, "updates": 3, "order": "shuffled"},
    ),
    "cross-entropy": (
        lambda: of_three_kinds(unit="relu", loss="cross-entropy", held_out=2),
        {"max_epochs": 40, "updates": "case", "order": "random"},
    ),
    "paper's cross-entropy": (lambda: of_three_kinds(loss="cross-entropy"), {"max_epochs": 40}),
    "own": (lambda: of_ones_own(LogCosh()), {"max_epochs": 40}),
    "own at net": (lambda: of_ones_own(LogisticLoss()), {"max_epochs": 40}),
}


@functools.cache
def run_called(name):
    make, settings = RUNS[name]
    return bpjax.train(make(), seed=7, **settings, snapshot_every=1, precision="float64")


# ---- what the page is given ----------------------------------------------------------------------


def unpacked(text, run):
    return np.frombuffer(base64.b64decode(text), "<f8").reshape(-1, run.snapshots.weights.shape[1])


def test_frames_are_moments_of_the_run_from_its_start_to_its_end():
    run = run_called("xor")
    frames = frames_of(run)
    assert frames.epoch.tolist() == list(range(run.epochs + 1))
    np.testing.assert_array_equal(frames.weights, run.snapshots.weights)
    np.testing.assert_array_equal(frames.change[-1], 0)
    np.testing.assert_array_equal(frames.previous[0], 0)
    np.testing.assert_array_equal(frames.previous[1:], frames.change[:-1])


@pytest.mark.slow
def test_what_decay_took_is_no_part_of_the_last_change():
    run = run_called("family")
    frames, recipe = frames_of(run), run.task.recipe
    with jax.enable_x64(True):
        for epoch in (1, 20, 39):
            velocity = (
                -as_schedule(recipe.learning_rate).at(epoch) * witness(run, epoch)["gradient"]
            )
            velocity += as_schedule(recipe.momentum).at(epoch) * frames.previous[epoch]
            np.testing.assert_allclose(frames.previous[epoch + 1], velocity, rtol=0, atol=1e-14)


def test_a_page_holds_few_numbers_of_a_large_net():
    run = run_called("family")
    weights = np.repeat(run.snapshots.weights, 10, axis=0)[: 400 + 1]
    snapshots = run.snapshots._replace(epoch=np.arange(401), weights=weights)
    frames = frames_of(run._replace(epochs=400, snapshots=snapshots))
    assert MOST_NUMBERS - 630 <= frames.weights.size <= MOST_NUMBERS
    assert frames.epoch[[0, -1]].tolist() == [0, 400]
    assert np.ptp(np.diff(frames.epoch)) <= 1


def test_the_weights_of_a_lesson_are_those_of_the_run():
    run = run_called("encoder")
    lesson = json.loads(json.dumps(lesson_of(run)))
    np.testing.assert_array_equal(unpacked(lesson["frames"]["weights"], run), run.snapshots.weights)


def test_a_run_without_its_snapshots_makes_no_page():
    run = bpjax.train(bpjax.tasks.xor(), 7, max_epochs=5)
    with pytest.raises(SettingError, match="must be 1 for a page"):
        page(run, COMMAND)


def test_a_loss_that_the_page_does_not_know_makes_no_page():
    class Own:
        def value(self, outputs, targets): ...

        def derivative(self, outputs, targets): ...

    run = run_called("xor")
    run = run._replace(task=dataclasses.replace(run.task, loss=Own()))
    with pytest.raises(
        SettingError, match="`loss` must be a name's, or have `unit_values` and `sums"
    ):
        page(run, COMMAND)


def test_what_makes_no_page_is_refused_before_anything_is_trained(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(
        "import bpjax, jax\n"
        "def task():\n"
        "    own = bpjax.Unit(jax.lax.lgamma, jax.lax.digamma, of='preactivation')\n"
        "    return bpjax.Task.from_arrays([[0, 1]], [1], unit=own)\n"
    )
    monkeypatch.setattr("bpjax.training.train_plan", pytest.fail)
    assert main(["explain", "own.py:task"]) == 2
    assert "--unit must not take the operation lgamma, for a page" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("unit", "sentence"),
    [
        (LayerUnit(UNITS["softmax"].function, UNITS["softmax"].backward), "look at one unit at a"),
        (
            Unit(lambda x: x - jnp.roll(x, 1, 0) * jnp.arange(2.0)[0], jnp.ones_like),
            "`unit` must not",
        ),
    ],
)
def test_a_unit_that_looks_at_others_makes_no_page(unit, sentence):
    run = run_called("xor")
    net = layered(2, 2, 1, unit=unit)
    run = run._replace(task=dataclasses.replace(run.task, network=net))
    with pytest.raises(SettingError, match=sentence):
        page(run, COMMAND)


FUNCTIONS = {
    "powers": (lambda x: x**3 + jnp.abs(x) ** 2.5 + jnp.square(x) + 2.0**x, 1),
    "circles": (lambda x: jnp.sin(x) * jnp.cos(x) + jnp.tan(x / 9) + jnp.arctan(x), 1),
    "hyperbolas": (lambda x: jnp.sinh(x) / jnp.cosh(x) + jnp.arcsinh(x) + jnp.tanh(x), 1),
    "roots": (lambda x: jnp.sqrt(x * x + 1) + jnp.cbrt(x) + jax.lax.rsqrt(x * x + 1), 1),
    "logarithms": (lambda x: jnp.log(x * x + 1) + jnp.log1p(x * x) + jnp.expm1(x), 1),
    "steps": (lambda x: jnp.floor(x) + jnp.ceil(x) + jnp.sign(x) + jnp.clip(x, -1, 0.5), 1),
    "choices": (lambda x: jnp.where((x > -1) & ~(x >= 1) | (x == 2), -x, jnp.inf), 1),
    "truths": (lambda x: (x > 0).astype(x.dtype) + 3 * (x != 2).astype(x.dtype), 1),
    "units of JAX": (lambda x: jax.nn.silu(x) + jax.nn.elu(x) + jax.nn.relu6(x), 1),
    "of two": (lambda x, y: jnp.maximum(x, y) - jnp.minimum(x, -y) + jnp.arctan2(x, y), 2),
    "in parts": (lambda x: jax.nn.softplus(-x) + jax.jit(jnp.exp)(x) * jnp.pi, 1),
}


@pytest.mark.browser
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_script_computes_what_its_function_does(name, browser_page, float64):
    function, num_arguments = FUNCTIONS[name]
    points = [*np.linspace(-3, 3, 13), 0.3]
    given = list(itertools.product(points, repeat=num_arguments))
    script = (
        f"(given) => given.map((each) => String(({script_of(function, num_arguments)})(...each)))"
    )
    told = browser_page.page.evaluate(script, [list(map(float, each)) for each in given])
    ours = np.array([float(text.replace("Infinity", "inf")) for text in told])
    columns = jnp.array(given).T
    np.testing.assert_allclose(ours, np.asarray(function(*columns)), rtol=2e-15, atol=2e-15)


# ---- what the page shows -------------------------------------------------------------------------


@functools.partial(jax.jit, static_argnums=(0, 1))
def passes(network, loss, weights, inputs, targets, trained, case):
    """Return what both passes say of all cases, of one, and of that one's layers."""
    params = unflatten_params(network, weights)
    activations = forward_pass(network, params, inputs)
    seen = seen_by_loss(network, params, activations, loss)
    value, errors = error_of(loss, seen, targets, trained)
    grads, *_ = backward_pass(network, params, activations, *enters(network, loss, errors))

    def alone(table):
        return jax.lax.dynamic_slice_in_dim(table, case, 1)

    y = jax.tree.map(alone, activations)
    _, dy, dx = backward_pass(network, params, y, *enters(network, loss, alone(errors)))
    x = {layer.name: total_input(network, params, y, layer) for layer in network.computed_layers}
    all_cases = {"loss": value, "gradient": flatten_params(network, grads)}
    value, _ = error_of(loss, alone(seen), alone(targets), alone(trained))
    one_case = {"loss": value, "errors": alone(errors)[0]}
    return all_cases, one_case, {"y": y, "x": x, "dy": dy, "dx": dx}


def witness(run, epoch, case=0, weights=None):
    """Return every number that the page may show, by the name that it gives it.

    With weights of a played net, these are what they are about; how they change is not told.
    """
    task, network = run.task, run.task.network
    is_played, weights = (
        weights is not None,
        run.snapshots.weights[epoch] if weights is None else weights,
    )
    (trained,) = trained_by(task, [run.seed])
    about = (weights, *task.cases(np.float64), trained, case)
    all_cases, one_case, by_layer = jax.device_get(passes(network, task.loss, *about))
    copies = network.iterations if task.recipe.copies == "average" else 1
    gradient = all_cases["gradient"] / copies
    numbers = {"loss": all_cases["loss"], "gradient": gradient, "loss of case": one_case["loss"]}
    numbers |= {f"error {k}": error for k, error in enumerate(one_case["errors"])}
    numbers |= {f"w {k}": weight for k, weight in enumerate(weights)}
    numbers |= {f"gradient {k}": value for k, value in enumerate(gradient)}
    for kind, layers in by_layer.items():
        for name, entry in layers.items():
            numbers |= {f"{kind} {name} {j}": value for j, value in enumerate(entry[0])}
    if epoch < run.epochs and not is_played:
        recipe, change = task.recipe, run.snapshots.weights[epoch + 1] - weights
        rate, alpha = (as_schedule(s).at(epoch) for s in (recipe.learning_rate, recipe.momentum))
        previous = frames_of(run).previous[epoch]
        paper = is_paper(run)
        for k in range(len(weights)):
            step, kept = -rate * gradient[k], alpha * previous[k]
            numbers |= {f"step {k}": step, f"kept {k}": kept}
            numbers[f"change {k}"] = step + kept if paper else change[k]
            numbers[f"after {k}"] = run.snapshots.weights[epoch + 1][k]
    return numbers


def expected(name, numbers):
    """Return the number called `name`; products are made of their factors."""
    kind, _, rest = name.partition(" ")
    if kind in ("yw", "share"):  # of a unit's activity, or its blame, and a weight
        unit, _, k = rest.rpartition(" ")
        return numbers[f"{'y' if kind == 'yw' else 'dx'} {unit}"] * numbers[f"w {k}"]
    if kind == "dw":
        source, target = rest.split(" > ")
        return numbers[f"y {source}"] * numbers[f"dx {target}"]
    return numbers[name]


def agrees(text, value):
    """Tell whether `value`, rounded as the page rounds, could read as `text`."""
    text = text.lstrip("\N{BLACK UP-POINTING TRIANGLE}\N{BLACK DOWN-POINTING TRIANGLE} ")
    if text == "\N{ALMOST EQUAL TO}0":
        return abs(value) < 1e-4
    if text == "0":
        return value == 0
    text = text.replace("\N{MINUS SIGN}", "-")
    mantissa, _, power = text.partition("\N{MULTIPLICATION SIGN}10\N{SUPERSCRIPT MINUS}")
    scale = 10.0 ** -int("".join(str(unicodedata.digit(digit)) for digit in power) or 0)
    last = 10.0 ** -len(mantissa.partition(".")[2])
    return abs(float(mantissa) * scale - value) <= 0.5001 * last * scale


SHOWN = """(places) => [...document.querySelectorAll(places)]
    .map((place) => [place.dataset.name, place.textContent])"""
EVERY_STEP = f"""() => {{
  const found = [({SHOWN})("[data-name]")];
  while (!document.getElementById("next").disabled) {{
    document.getElementById("next").click();
    found.push(({SHOWN})("#step [data-name], #net [data-name]"));
  }}
  return found;
}}"""


def opened(browser_page, run, tmp_path, place="", **window):
    file = tmp_path / "page.html"
    file.write_text(page(run, COMMAND), encoding="utf-8")
    browser_page.open(file, **window)
    if place:
        browser_page.page.evaluate(f"location.hash = {place!r}")
        browser_page.page.wait_for_function(f"() => location.hash === {'#' + place!r}")
    return browser_page.page


@pytest.mark.browser
@pytest.mark.parametrize("name", daily(["xor", "units", "own"], of=RUNS))
def test_every_number_on_the_page_is_that_of_backprop(name, browser_page, tmp_path, float64):
    run = run_called(name)
    shown = opened(browser_page, run, tmp_path)
    moments = {run.epochs // 2, run.epochs}
    cases = {run.task.num_cases // 2}
    if run.task.num_held_out:
        cases |= {int(np.flatnonzero(~trained_by(run.task, [run.seed])[0])[0])}
    names = set()
    for epoch, case in itertools.product(sorted(moments), sorted(cases)):
        shown.evaluate(f"location.hash = 'epoch={epoch}&case={case + 1}&step=1'")
        shown.wait_for_function("() => document.getElementById('back').disabled")
        shown.wait_for_function(f"() => location.hash.includes('epoch={epoch}&case={case + 1}&')")
        numbers = witness(run, epoch, case)
        for step, pairs in enumerate(shown.evaluate(EVERY_STEP)):
            for key, text in pairs:
                value = expected(key, numbers)
                assert agrees(text, float(value)), (epoch, case, step, key, text, float(value))
            names |= {key.split()[0] for key, _ in pairs}
    kinds = {"y", "x", "w", "yw", "error", "loss", "dx", "dy", "share", "dw", "gradient", "change"}
    assert names >= kinds | {"after"}
    assert browser_page.console == []
    assert len(browser_page.requests) == 1


@pytest.mark.browser
def test_slider_list_buttons_and_keys_move_the_page(browser_page, tmp_path):
    shown = opened(browser_page, run_called("xor"), tmp_path)
    text, before = shown.text_content, shown.evaluate(SHOWN, "[data-name]")
    assert text("#epoch-text") == "0 of 707"
    shown.fill("#epoch", "650")
    assert text("#epoch-text") == "650 of 707"
    assert dict(shown.evaluate(SHOWN, "[data-name]")) != dict(before)
    shown.select_option("#case", "2")
    assert text("#case-text") == "3 of 4"
    shown.click("#next")
    assert "Hidden 1 adds up and answers" in text("#step")
    shown.click("h1")
    for key, place, words in [
        ("ArrowRight", "#step", "Hidden 2 adds up and answers"),
        ("ArrowLeft", "#step", "Hidden 1 adds up and answers"),
        ("Shift+ArrowRight", "#step", "Output adds up and answers"),
        ("Shift+ArrowLeft", "#step", "Hidden 1 adds up and answers"),
        ("ArrowDown", "#case-text", "4 of 4"),
        ("ArrowUp", "#case-text", "3 of 4"),
        (".", "#epoch-text", "651 of 707"),
        (",", "#epoch-text", "650 of 707"),
    ]:
        shown.keyboard.press(key)
        assert words in text(place), key
    shown.click("#phases >> text=Backward")
    assert "Output gets its blame" in text("#step")
    shown.click("[data-unit='hidden 1']")
    assert "Hidden 2 gets its blame" in text("#step")
    shown.click("#cases tbody tr:nth-child(1)")
    assert text("#case-text") == "1 of 4"
    shown.click("#loss-curve", position={"x": 60, "y": 100})
    assert int(text("#epoch-text").split()[0]) < 30
    assert browser_page.console == []


@pytest.mark.browser
def test_the_run_plays_to_its_end(browser_page, tmp_path):
    shown = opened(browser_page, run_called("direct"), tmp_path, "epoch=40&case=1&step=1")
    shown.click("#play")
    shown.wait_for_function(
        "() => document.getElementById('epoch-text').textContent === '60 of 60'"
    )
    shown.wait_for_function("() => document.getElementById('play').textContent === 'Play'")


@pytest.mark.browser
@pytest.mark.parametrize("scheme", daily(["light"], of=["light", "dark"]))
@pytest.mark.parametrize("width", daily([390], of=[1280, 390]))
@pytest.mark.parametrize("name", daily(["family"], of=["xor", "symmetry", "encoder", "family"]))
def test_the_page_fits_the_window(name, width, scheme, browser_page, tmp_path):
    shown = opened(browser_page, run_called(name), tmp_path, width=width, scheme=scheme)
    shown.evaluate(EVERY_STEP)
    assert browser_page.overflow == 0
    outside = """() => { const box = document.getElementById("net").getBoundingClientRect();
      return [...document.querySelectorAll("#net text, #net circle")].filter((node) => {
        const its = node.getBoundingClientRect();
        return its.left < box.left - 1 || its.right > box.right + 1 || its.top < box.top - 1 ||
          its.bottom > box.bottom + 1; }).map((node) => node.textContent); }"""
    assert shown.evaluate(outside) == []
    assert browser_page.console == []


# Pairs of texts in the picture of the net that stand on one another, at every step.
OVERLAPS = """() => {
  const found = [];
  const look = () => {
    const step = document.getElementById("step-text").textContent;
    const boxes = [...document.querySelectorAll("#net text")].filter((node) => node.textContent)
      .map((node) => [node.textContent, node.getBoundingClientRect()]);
    boxes.forEach(([text, a], k) => boxes.slice(k + 1).forEach(([other, b]) => {
      const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (wide > 1 && high > 2) found.push(`${step}: ${text} | ${other}`);
    }));
  };
  look();
  while (!document.getElementById("next").disabled) {
    document.getElementById("next").click();
    look();
  }
  return found;
}"""


@pytest.mark.browser
@pytest.mark.parametrize("width", daily([390], of=[390, 1280, 1366]))
@pytest.mark.parametrize("name", daily(["encoder", "units"], of=RUNS))
def test_no_two_texts_of_a_net_overlap(name, width, browser_page, tmp_path):
    run = run_called(name)
    place = f"epoch={run.epochs // 2}&case=2&step=1"
    shown = opened(browser_page, run, tmp_path, place, width=width)
    assert shown.evaluate(OVERLAPS) == []


@pytest.mark.browser
@pytest.mark.parametrize(("width", "height"), [(390, 844), (1366, 650)])
def test_next_and_the_words_that_it_changes_are_in_view(width, height, browser_page, tmp_path):
    shown = opened(browser_page, run_called("xor"), tmp_path, "epoch=650&case=2&step=1")
    shown.set_viewport_size({"width": width, "height": height})
    for _ in range(12):
        shown.click("#next")
        shown.wait_for_timeout(50)
        next_to, words = (shown.locator(at).bounding_box() for at in ("#next", "#step h2"))
        assert 0 <= next_to["y"] <= height - next_to["height"]
        assert 0 <= words["y"] <= height / 2 + 1


@pytest.mark.browser
def test_a_case_chosen_with_the_mouse_leaves_the_keys_to_the_steps(browser_page, tmp_path):
    shown = opened(browser_page, run_called("xor"), tmp_path)
    shown.dispatch_event("#case", "pointerdown")
    shown.focus("#case")
    shown.select_option("#case", "2")
    shown.keyboard.press("ArrowRight")
    assert "Hidden 1 adds up and answers" in shown.text_content("#step")


@pytest.mark.browser
def test_layers_stand_from_early_to_late(browser_page, tmp_path):
    run = run_called("family")
    shown = opened(browser_page, run, tmp_path)
    names = [layer.name for layer in run.task.network.computed_layers]
    assert shown.locator("#layer-key span").all_text_contents() == ["\u25ac" + n for n in names]
    for figure in ("#gradient-curve", "#blame-curve"):
        assert shown.locator(f"{figure} .curve").count() == len(names)


@pytest.mark.browser
def test_every_curve_has_numbers_at_both_axes(browser_page, tmp_path):
    """Without hidden units the blame hardly changes: no power of ten lies in its range."""
    run = bpjax.train(make_task("xor", hidden=0), 0, max_epochs=300, snapshot_every=1)
    shown = opened(browser_page, run, tmp_path)
    for curve in ("loss-curve", "gradient-curve", "blame-curve"):
        texts = shown.locator(f"#{curve} text[text-anchor='end']").count()
        assert texts >= 3, curve  # two at least at the left, and the last one below


@pytest.mark.browser
def test_hostile_words_show_as_text(browser_page, tmp_path):
    evil = "</script><script>window.hit = 1</script><img src=x onerror='window.hit = 1'>\"'&"
    run = run_called("direct")
    display = Display(names={"input": (evil, "b"), "output": (evil,)})
    task = dataclasses.replace(run.task, title=evil, source=evil, display=display)
    file = tmp_path / "page.html"
    file.write_text(page(run._replace(task=task), ["bpjax", evil]), encoding="utf-8")
    browser_page.open(file)
    shown = browser_page.page
    shown.evaluate(EVERY_STEP)
    assert shown.evaluate("window.hit") is None
    assert shown.text_content("h1") == evil
    assert evil in shown.text_content("#case")
    assert shown.query_selector_all("img") == []
    assert browser_page.console == []
    assert len(browser_page.requests) == 1


# ---- the square of inputs ------------------------------------------------------------------------

# In the picture's own units: where the cases are, and where the lines begin and end.
LINES = """() => {
  const middle = (mark) => { const { x, y, width, height } = mark.getBBox();
    return [x + width / 2, y + height / 2]; };
  const ends = ({ x1, y1, x2, y2 }) =>
    [[x1, y1], [x2, y2]].map((point) => point.map((each) => each.baseVal.value));
  const all = (places) => [...document.querySelectorAll(places)];
  const lines = all("#square [data-line]").map((line) => [line.dataset.line, ends(line)]);
  return { points: all("#square .point .mark").map(middle),
    lines: Object.fromEntries(lines) };
}"""


def in_units(where, points):
    """Turn pixels into inputs, by where the cases 00 and 11 of exclusive-or stand."""
    zero, one = np.array(points[0]), np.array(points[3])
    return (np.array(where) - zero) / (one - zero)


@pytest.mark.browser
@pytest.mark.parametrize("name", ["xor", "none"])
def test_lines_are_where_net_inputs_are_zero(name, browser_page, tmp_path):
    run = run_called(name)
    shown = opened(browser_page, run, tmp_path, "epoch=0&case=1&step=1")
    layer = run.task.network.computed_layers[0]
    numbers = [numbers_at(run, run.snapshots.weights[epoch]) for epoch in (0, run.epochs)]
    for epoch, params in zip((0, run.epochs), numbers, strict=True):
        shown.fill("#epoch", str(epoch))
        found = shown.evaluate(LINES)
        weight, bias = params.weight["input", layer.name], params.bias[layer.name]
        for unit in range(layer.size):
            ends = found["lines"].get(f"{layer.name} {unit}")
            corners = np.array([[-0.32, -0.32], [-0.32, 1.32], [1.32, -0.32], [1.32, 1.32]])
            crosses = np.ptp(np.sign(corners @ weight[:, unit] + bias[unit])) > 0
            assert crosses == (ends is not None), (epoch, unit)
            if ends is None:
                continue
            net = in_units(ends, found["points"]) @ weight[:, unit] + bias[unit]
            np.testing.assert_allclose(net / np.abs(weight[:, unit]).max(), 0, atol=0.01)
    assert browser_page.console == []


def numbers_at(run, weights):
    return jax.device_get(unflatten_params(run.task.network, weights))


@pytest.mark.browser
def test_the_square_says_why_hidden_units_are_needed(browser_page, tmp_path):
    shown = opened(browser_page, run_called("none"), tmp_path, "epoch=0&case=1&step=1")
    words = shown.text_content("#square-text")
    assert "no straight line parts these four cases" in words
    weight, bias = params_of_line(run_called("none"), 0)
    on = [name for name in ("00", "01", "10", "11") if bias + weight @ [*map(int, name)] > 0]
    assert f"Output is on for {', '.join(on) if len(on) < 4 else 'every case'}." in words
    shown = opened(browser_page, run_called("encoder"), tmp_path)
    assert shown.query_selector("#square") is None


PARTED = "At this moment the net does it so."
EARLY = "the net is right already, though its lines do not part the corners yet"


@pytest.mark.browser
@pytest.mark.parametrize(("seed", "words"), daily([(7, PARTED)], of=[(7, PARTED), (0, EARLY)]))
def test_the_square_says_how_two_lines_do_it(seed, words, browser_page, tmp_path):
    run = (
        run_called("xor")
        if seed == 7
        else bpjax.train(bpjax.tasks.xor(), seed, snapshot_every=1, precision="float64")
    )
    shown = opened(browser_page, run, tmp_path)
    shown.fill("#epoch", "0")
    assert "two do it" in shown.text_content("#square-text")
    assert "its lines do not do so yet" in shown.text_content("#square-text")
    shown.fill("#epoch", str(run.epochs))
    assert words in shown.text_content("#square-text")


def params_of_line(run, epoch):
    params = numbers_at(run, run.snapshots.weights[epoch])
    return params.weight["input", "output"][:, 0], params.bias["output"][0]


# ---- a net to play with --------------------------------------------------------------------------

EXACTLY = """(name) => {
  const text = new URLSearchParams(location.hash.slice(1)).get(name);
  if (text === null) return null;
  const letters = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
  return [...new Float64Array(bytes.buffer)];
}"""
ONCE = (
    """(epochs) => { for (let k = 0; k < epochs; k++) document.getElementById("once").click(); }"""
)


def changed(shown, field, value):
    shown.fill(f"#{field}", repr(value))
    shown.press(f"#{field}", "Enter")


def opened_to_play(browser_page, run, tmp_path, epoch=0, **window):
    shown = opened(browser_page, run, tmp_path, f"epoch={epoch}&case=2&step=1", **window)
    shown.click("#play-tab")
    return shown


@pytest.mark.browser
@pytest.mark.parametrize("name", daily(["xor"], of=RUNS))
def test_a_net_that_is_played_with_learns_as_train_does(name, browser_page, tmp_path):
    run, num_epochs = run_called(name), 24
    shown = opened_to_play(browser_page, run, tmp_path)
    start = run.snapshots.weights[0].astype(float)
    chosen = int(shown.locator("#pick option").nth(1).get_attribute("value"))
    shown.select_option("#pick", str(chosen))
    changed(shown, "weight", 0.4375)
    start[chosen] = 0.4375
    settings = {"optimizer": "paper", "updates": "batch", "order": "fixed"}
    if name != "family":  # which keeps its schedule
        changed(shown, "rate", 0.03)
        changed(shown, "momentum", 0.8)
        settings |= {"learning_rate": 0.03, "momentum": 0.8}
    assert shown.evaluate(EXACTLY, "weights") == start.tolist()
    shown.evaluate(ONCE, num_epochs)
    played = shown.evaluate(EXACTLY, "weights")
    task = run.task.with_settings(initializer=bpjax.Start(np.tile(start, (8, 1))), **settings)
    same = bpjax.train(task, seed=7, max_epochs=num_epochs, snapshot_every=1, precision="float64")
    assert f", {same.epochs} epochs after epoch 0 of" in shown.text_content("#mode-count")
    np.testing.assert_allclose(played, same.snapshots.weights[-1], rtol=1e-12, atol=1e-12)
    assert browser_page.console == []


@pytest.mark.browser
def test_an_unchanged_net_goes_on_as_the_recorded_run_did(browser_page, tmp_path):
    run = run_called("xor")
    shown = opened_to_play(browser_page, run, tmp_path, epoch=600)
    shown.evaluate(ONCE, 62)
    played = shown.evaluate(EXACTLY, "weights")
    np.testing.assert_allclose(played, run.snapshots.weights[662], rtol=1e-11, atol=1e-12)
    drawn = shown.get_attribute("#loss-curve .curve.own", "d")
    assert drawn.count("L") == 31  # after every second epoch, and the last
    assert shown.locator("#gradient-curve .own").count() == 2


@pytest.mark.browser
@pytest.mark.parametrize(
    "name", daily(["xor"], of=["xor", "family", "softmax", "own at net", "none"])
)
def test_every_number_of_a_played_net_is_that_of_backprop(name, browser_page, tmp_path, float64):
    run = run_called(name)
    shown = opened_to_play(browser_page, run, tmp_path)
    changed(shown, "rate", 0.0625)
    changed(shown, "weight", -1.5)
    shown.evaluate(ONCE, 7)
    weights, last = (np.array(shown.evaluate(EXACTLY, part)) for part in ("weights", "last"))
    numbers = witness(run, 7, 1, weights)
    decay = as_schedule(run.task.recipe.weight_decay).at(7)
    decay *= np.array(lesson_of(run)["learning"]["decays"])
    alpha = as_schedule(run.task.recipe.momentum).at(7)
    for k in range(len(weights)):
        step, kept = -0.0625 * numbers[f"gradient {k}"], alpha * last[k]
        numbers |= {f"step {k}": step, f"kept {k}": kept, f"change {k}": step + kept}
        numbers[f"after {k}"] = (1 - decay[k]) * (weights[k] + step + kept)
    shown.click("#steps-tab")
    for step, pairs in enumerate(shown.evaluate(EVERY_STEP)):
        for key, text in pairs:
            value = expected(key, numbers)
            assert agrees(text, float(value)), (step, key, text, float(value))
    assert browser_page.console == []


@pytest.mark.browser
def test_a_link_opens_the_net_that_it_was_taken_from(browser_page, tmp_path):
    shown = opened_to_play(browser_page, run_called("xor"), tmp_path, epoch=500)
    changed(shown, "momentum", 0.5)
    changed(shown, "weight", 3.1)
    shown.evaluate(ONCE, 75)
    shown.click("#copy")
    shown.wait_for_function("() => document.getElementById('copied').textContent !== ''")
    before, address = shown.evaluate(SHOWN, "[data-name]"), shown.url
    drawn = shown.get_attribute("#loss-curve .own", "d")
    shown.evaluate(ONCE, 5)
    further = shown.evaluate(EXACTLY, "weights")
    shown.goto("about:blank")
    shown.goto(address)
    assert shown.is_visible("#play-panel")
    assert shown.text_content("#mode-which") == "Shown: your net"
    assert shown.evaluate(SHOWN, "[data-name]") == before
    assert shown.get_attribute("#loss-curve .own", "d") == drawn
    assert shown.input_value("#momentum") == "0.5"
    assert shown.url == address
    shown.evaluate(ONCE, 5)
    assert shown.evaluate(EXACTLY, "weights") == further
    assert browser_page.console == []


@pytest.mark.browser
def test_a_bad_address_is_no_address(browser_page, tmp_path):
    shown = opened_to_play(browser_page, run_called("xor"), tmp_path, epoch=500)
    shown.evaluate(ONCE, 3)
    good = shown.evaluate("location.hash")
    weights = good.partition("weights=")[2].partition("&")[0]
    for old, new in [
        (weights, weights[:-12]),
        (weights, base64.urlsafe_b64encode(np.full(9, np.inf).tobytes()).decode()),
        (weights, "*"),
        ("played=3", "played=-3"),
        ("played=3", "played=1e99"),
        ("played=3", "played=900"),
        ("played=3", "rate=0&played=3"),
        ("played=3", "rate=&played=3"),
        ("played=3", "momentum=1&played=3"),
        ("played=3", "seed=1.5&played=3"),
        ("epoch=500", "epoch=x"),
        ("every=1", "every=0"),
        ("trace=", "trace=AAAA"),
        (good, "#%E0%A4%A"),
        (good, "#epoch=-7&case=99&step=1e9"),
        (good, "#epoch&case&&=&weights"),
    ]:
        bad = good.replace(old, new)
        assert bad != good
        shown.evaluate(f"location.hash = {bad!r}")
        shown.wait_for_function("() => !location.hash.includes('weights')")
        assert shown.text_content("#mode-which") == "Shown: the recorded run", bad
        shown.evaluate(f"location.hash = {good!r}")
        shown.wait_for_function("() => location.hash.includes('weights')")
        assert shown.text_content("#mode-which") == "Shown: your net"
    assert browser_page.console == []


@pytest.mark.browser
def test_the_criterion_ends_a_play(browser_page, tmp_path):
    run = run_called("xor")
    shown = opened_to_play(browser_page, run, tmp_path, epoch=690)
    shown.click("#run")
    ended = "() => document.getElementById('mode-news').textContent !== ''"
    shown.wait_for_function(ended)
    said = f"Learned after {run.epochs - 690} epochs (criterion tolerance 0.5)."
    assert shown.text_content("#mode-news") == said
    assert shown.is_disabled("#run")
    assert shown.text_content("#run") == "Run"
    assert "4 of 4 cases are right" in shown.text_content("#cases-text")
    shown.click("#phases >> text=Change") if shown.is_visible("#phases") else shown.click(
        "#steps-tab"
    )
    changed_weights = shown.evaluate(EXACTLY, "weights")
    np.testing.assert_allclose(changed_weights, run.snapshots.weights[-1], rtol=1e-9)
    shown.click("#recorded")
    assert shown.text_content("#mode-which") == "Shown: the recorded run"
    assert shown.text_content("#epoch-text") == "690 of 707"
    shown.click("#yours")
    assert shown.text_content("#mode-news") == said
    shown.fill("#epoch", "3")
    assert shown.text_content("#mode-which") == "Shown: the recorded run"
    assert "weights=" not in shown.url


@pytest.mark.browser
def test_run_and_pause(browser_page, tmp_path):
    shown = opened_to_play(browser_page, run_called("xor"), tmp_path)
    shown.select_option("#speed", "1")
    shown.click("#run")
    assert shown.text_content("#run") == "Pause"
    shown.wait_for_function(
        "() => Number(document.getElementById('mode-count').textContent.match(/[0-9]+/)[0]) >= 3"
    )
    shown.click("#run")
    count = shown.text_content("#mode-count")
    assert "weights=" in shown.url
    shown.wait_for_timeout(250)
    assert shown.text_content("#mode-count") == count
    assert shown.text_content("#run") == "Run"


@pytest.mark.browser
def test_a_play_that_leaves_the_finite_numbers_ends_with_a_sentence(browser_page, tmp_path):
    run = run_called("xor")
    run = run._replace(task=run.task.with_settings(unit="linear"))
    shown = opened_to_play(browser_page, run, tmp_path)
    changed(shown, "rate", 1e3)
    shown.evaluate(ONCE, 40)
    assert "would take the weights out of the finite numbers" in shown.text_content("#mode-news")
    assert shown.is_disabled("#run")
    assert np.isfinite(shown.evaluate(EXACTLY, "weights")).all()
    assert browser_page.overflow == 0
    changed(shown, "rate", 0.01)
    assert shown.text_content("#mode-news") == ""
    assert browser_page.console == []


def mulberry(seed, count):
    """Return uniform numbers of 53 bits, each from two draws of mulberry32."""
    found, state, mask = [], seed, 2**32 - 1
    for _ in range(2 * count):
        state = (state + 0x6D2B79F5) & mask
        bits = (state ^ state >> 15) * (1 | state) & mask
        bits = (bits + ((bits ^ bits >> 7) * (61 | bits) & mask) & mask) ^ bits
        found.append((bits ^ bits >> 14) & mask)
    return (np.array(found[::2]) * 2.0**21 + (np.array(found[1::2]) >> 11)) / 2.0**53


@pytest.mark.browser
def test_new_small_weights_come_from_their_seed(browser_page, tmp_path):
    shown = opened_to_play(browser_page, run_called("xor"), tmp_path, epoch=300)
    shown.evaluate(ONCE, 2)
    shown.fill("#seed", "4294967295")
    shown.click("#small")
    drawn = shown.evaluate(EXACTLY, "weights")
    np.testing.assert_array_equal(drawn, (2 * mulberry(2**32 - 1, 9) - 1) * 0.3)
    assert shown.text_content("#mode-count") == (
        ", 0 epochs after new small weights, seed 4294967295."
    )
    assert shown.evaluate(EXACTLY, "last") is None


@pytest.mark.browser
def test_frozen_weights_stay_and_other_rules_are_told(browser_page, tmp_path):
    run = run_called("units")
    shown = opened_to_play(browser_page, run, tmp_path)
    shown.click("#small")
    frozen = np.array(lesson_of(run)["learning"]["frozen"])
    drawn = np.array(shown.evaluate(EXACTLY, "weights"))
    np.testing.assert_array_equal((drawn == run.snapshots.weights[0]), frozen)
    assert "learned in another way" not in shown.text_content("#play-panel")
    run = run_called("xor")
    run = run._replace(task=run.task.with_settings(optimizer="sgd"))
    shown = opened(browser_page, run, tmp_path)
    assert "learned in another way" in shown.text_content("#play-panel")


@pytest.mark.browser
def test_what_cannot_be_is_said_and_not_done(browser_page, tmp_path):
    shown = opened_to_play(browser_page, run_called("xor"), tmp_path)
    for field, value, sentence in [
        ("rate", "0", "The learning rate must be a number above 0."),
        ("rate", "", "The learning rate must be a number above 0."),
        ("momentum", "1", "The momentum must be a number from 0 to below 1."),
        ("weight", "", "A weight must be a number."),
        ("seed", "-1", "The seed must be a whole number from 0 to 4,294,967,295."),
    ]:
        before = shown.input_value(f"#{field}")
        shown.fill(f"#{field}", value)
        shown.press(f"#{field}", "Enter")
        if field == "seed":
            shown.click("#small")
        else:
            assert shown.input_value(f"#{field}") == before
        assert shown.text_content("#play-fault") == sentence
        assert shown.text_content("#mode-which") == "Shown: the recorded run"


@pytest.mark.browser
def test_a_press_on_a_line_or_the_list_chooses_a_weight(browser_page, tmp_path):
    run = run_called("xor")
    shown = opened(browser_page, run, tmp_path, "epoch=650&case=2&step=1")
    shown.dispatch_event("#net [data-weight='4']", "click")
    assert shown.input_value("#pick") == "4"
    shown.dispatch_event("#net .near[data-weight='5']", "click")
    assert shown.is_visible("#play-panel")
    assert float(shown.input_value("#weight")) == pytest.approx(
        run.snapshots.weights[650, 5], rel=1e-5
    )
    shown.focus("#weight-slide")
    shown.keyboard.press("Home")
    assert shown.evaluate(EXACTLY, "weights")[5] == -10
    assert shown.evaluate(EXACTLY, "last") is None  # at rest
    shown.click("h1")
    shown.keyboard.press(".")
    assert ", 1 epoch after epoch 650" in shown.text_content("#mode-count")
    shown.keyboard.press("ArrowRight")
    assert "Hidden 1 adds up and answers" in shown.text_content("#step")
    assert shown.is_visible("#steps-panel")
    assert shown.text_content("#mode-which") == "Shown: your net"
    nameless = """() => [...document.querySelectorAll("#play-panel input, #play-panel select")]
      .filter((field) => !field.labels?.length && !field.ariaLabel).map((field) => field.id)"""
    assert shown.evaluate(nameless) == []


@pytest.mark.browser
@pytest.mark.parametrize("width", daily([390], of=[390, 1000, 1280, 1366]))
@pytest.mark.parametrize("name", daily(["xor"], of=["xor", "none", "direct", "symmetry", "units"]))
def test_play_and_square_fit_the_window(name, width, browser_page, tmp_path):
    run = run_called(name)
    shown = opened_to_play(browser_page, run, tmp_path, run.epochs // 2, width=width)
    overlaps = OVERLAPS.replace("#net text", "#square text").replace("  while", "  while (0) while")
    for _ in range(4):
        assert browser_page.overflow == 0
        assert shown.evaluate(overlaps) == []
        outside = """() => [...document.querySelectorAll("#play-panel *, .mode *")].filter((node) =>
          node.getBoundingClientRect().right > innerWidth + 1).map((node) => node.id)"""
        assert shown.evaluate(outside) == []
        shown.evaluate(ONCE, 15)


# ---- the command ---------------------------------------------------------------------------------


def test_explain_writes_the_run_of_train(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["explain", "xor", "--seed", "3", "--max-epochs", "5", "--out", "a/b.html"]) == 0
    said = capsys.readouterr().out
    assert "seed 3: MAX_EPOCHS after 5 epochs" in said
    assert "a/b.html" in said
    text = (tmp_path / "a/b.html").read_text()
    assert "bpjax explain xor --seed 3 --max-epochs 5 --out a/b.html" in text


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["xor", "--seed", "-1"], "--seed must be"),
        (["xor", "--learning-rate", "1", "2"], "--learning-rate must be one value for one run"),
        (["xor", "--hidden", "2", "3"], "--hidden must be one value for one run"),
        (["nothing"], "TASK must be one of"),
        (["xor", "--out", "/dev/null/page.html"], "--out: "),
        (["xor", "--out", "."], "--out"),
    ],
)
def test_bad_words_get_a_sentence(words, sentence, capsys):
    assert main(["explain", *words, *(["--max-epochs", "5"])]) == 2
    assert sentence in capsys.readouterr().err
