"""Initial weights: each distribution against its formula, and against NumPy, weight by weight."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_trees_close, daily, in_time
from scipy import stats

import bpjax
from bpjax.cli import main
from bpjax.connections import Connection, Layer
from bpjax.errors import SettingError
from bpjax.network import Network, layered
from bpjax.params import flatten_params, unflatten_params
from bpjax.problems import random_network
from bpjax.starts.distributions import DISTRIBUTIONS
from bpjax.starts.fans import fans_of
from bpjax.starts.initial import Initializer, init_params, read_told, run_key
from bpjax.starts.normal import _lines, standard_normal
from bpjax.sweeps.planning import make_plan
from bpjax.tasks import family_trees, t_c, xor

HIDDEN, OUTPUT, DIRECT = ("input", "hidden"), ("hidden", "output"), ("input", "output")
RANGE = 0.5


def skipping(mask=None, tie=None):
    """Return 3-4-2 with direct connections; the mask or tie is that of input -> hidden."""
    layers = [Layer("input", 3), Layer("hidden", 4), Layer("output", 2)]
    direct = [Connection("input", "output"), Connection("hidden", "output")]
    return Network(layers, [Connection("input", "hidden", mask, tie), *direct])


MASK = ((1, 1, 0, 0), (1, 0, 1, 0), (1, 1, 1, 0))
TIE = ((0, 1, 2, 2), (1, 0, 2, 2), (0, 0, 2, 3))
NETS = {
    "layered": layered(3, 4, 2),
    "skipping": skipping(),
    "masked": skipping(MASK),
    "tied": skipping(None, TIE),
    "masked and tied": skipping(MASK, TIE),
    "random": random_network(2),
}


def drawn(network, words="uniform", seed=7, biases="drawn", dtype="float32"):
    return init_params(network, run_key(seed), RANGE, Initializer(words, biases), dtype)


# ---- against NumPy, weight by weight -------------------------------------------------------------


def raw_draws(network, seed):
    """Return the raw draws, uniform and normal, in the shape of parameters."""
    size = len(flatten_params(network, drawn(network)))
    key = jax.random.fold_in(jax.random.key(1986, impl="threefry2x32"), jnp.uint32(seed))
    bits = jax.random.bits(key, (size,), jnp.uint32)
    both = [
        jax.random.uniform(key, (size,), jnp.float32, minval=-1, maxval=1),
        standard_normal(bits),
    ]
    return [jax.tree.map(np.float64, unflatten_params(network, draws)) for draws in both]


def numpy_fans(network, c):
    """Count the weights that meet at both ends of every place of a connection, one by one."""

    def there(other, i, j):
        return other.mask is None or other.mask[i][j]

    into = [0] * network.size(c.target)
    out_of = [0] * network.size(c.source)
    for other in network.connections:
        places = itertools.product(
            range(network.size(other.source)), range(network.size(other.target))
        )
        for i, j in places:
            if other.target == c.target:
                into[j] += there(other, i, j)
            if other.source == c.source:
                out_of[i] += there(other, i, j)
    return into, out_of


def numpy_weights(network, key, name, seed=7):
    """Return the weights of an untied connection by the formula of a distribution."""
    c = network.weights[key]
    uniform, normal = (draws.weight[key] for draws in raw_draws(network, seed))
    into, out_of = numpy_fans(network, c)
    weights = np.zeros(uniform.shape)
    for i, j in np.ndindex(weights.shape):
        u, n, fan_in, fan_out = uniform[i, j], normal[i, j], into[j], out_of[i]
        if c.mask is not None and not c.mask[i][j]:
            continue
        weights[i, j] = {
            "uniform": u * RANGE,
            "normal": n * RANGE,
            "zero": 0.0,
            "range(low=-0.2, high=0.8)": 0.3 + 0.5 * u,
            "glorot": u * np.sqrt(6 / (fan_in + fan_out)),
            "glorot(normal=true, gain=4)": n * 4 * np.sqrt(2 / (fan_in + fan_out)),
            "he": n * np.sqrt(2 / fan_in),
            "he(normal=false, gain=0.5)": u * 0.5 * np.sqrt(6 / fan_in),
            "lecun": u * np.sqrt(3 / fan_in),
            "lecun(normal=true, gain=2)": n * 2 * np.sqrt(1 / fan_in),
        }[name]
    return weights


BY_FORMULA = (
    *("uniform", "normal", "zero", "range(low=-0.2, high=0.8)"),
    *("glorot", "glorot(normal=true, gain=4)", "he", "he(normal=false, gain=0.5)"),
    *("lecun", "lecun(normal=true, gain=2)"),
)


def test_every_distribution_is_held_against_something():
    tried = {name.partition("(")[0] for name in BY_FORMULA} | {"nguyen-widrow"}
    assert tried == set(DISTRIBUTIONS)


@pytest.mark.parametrize("net", ["layered", "skipping", "masked"])
@pytest.mark.parametrize("name", BY_FORMULA)
def test_weights_are_those_of_the_formula(name, net, dtype):
    network = NETS[net]
    params = drawn(network, name, dtype=dtype)
    for key in network.weights:
        assert params.weight[key].dtype == dtype
        tolerance = 1e-6 if dtype == "float32" else 1e-15
        expected = numpy_weights(network, key, name)
        np.testing.assert_allclose(params.weight[key], expected, tolerance, tolerance / 10)


@pytest.mark.parametrize("name", BY_FORMULA)
def test_biases_are_drawn_or_zero_as_it_is_said(name):
    network = NETS["skipping"]
    bias = drawn(network, name).bias["hidden"]
    uniform, normal = (draws.bias["hidden"] for draws in raw_draws(network, 7))
    expected = {
        "uniform": uniform * RANGE,
        "normal": normal * RANGE,
        "range(low=-0.2, high=0.8)": 0.3 + 0.5 * uniform,
    }
    np.testing.assert_allclose(bias, expected.get(name, np.zeros(4)), 1e-6)
    assert not any(entry.any() for entry in drawn(network, name, biases="zero").bias.values())


# ---- many draws ----------------------------------------------------------------------------------

WIDE = layered(40, 60, 30)
FAN_IN, FAN_OUT = 40, 30


def std_of(name):
    """Return the standard deviation of input -> hidden of the wide net, and its closed form."""
    return {
        "uniform": RANGE / np.sqrt(3),
        "normal": RANGE,
        "range(low=-0.2, high=0.8)": 1 / np.sqrt(12),
        "glorot": np.sqrt(2 / (40 + 60)),
        "glorot(normal=true, gain=4)": 4 * np.sqrt(2 / (40 + 60)),
        "he": np.sqrt(2 / 40),
        "he(normal=false, gain=0.5)": 0.5 * np.sqrt(2 / 40),
        "lecun": np.sqrt(1 / 40),
        "lecun(normal=true, gain=2)": 2 * np.sqrt(1 / 40),
    }[name]


@pytest.mark.parametrize("name", [name for name in BY_FORMULA if name != "zero"])
def test_many_draws_have_the_distribution(name):
    """Kolmogorov and Smirnov's test of 24,000 weights, five million to one against."""
    draw = jax.jit(jax.vmap(lambda seed: drawn(WIDE, name, seed).weight[HIDDEN]))
    weights = np.asarray(draw(jnp.arange(10, dtype=jnp.uint32)), np.float64).ravel()
    std, mean = std_of(name), 0.3 if name.startswith("range") else 0.0
    is_normal = "normal=true" in name or name in ("normal", "he")
    half = np.sqrt(3) * std
    law = stats.norm(mean, std) if is_normal else stats.uniform(mean - half, 2 * half)
    assert stats.kstest(weights, law.cdf).pvalue > 2e-7
    assert weights.std() == pytest.approx(std, rel=0.02)
    assert weights.mean() == pytest.approx(mean, abs=5 * std / np.sqrt(weights.size))
    if not is_normal:
        assert mean - half <= weights.min() < weights.max() <= mean + half


def test_glorot_keeps_the_size_of_signals_and_he_that_of_rectified_ones():
    """The reason for the formulas: variances through a layer of 200 units, over 400 nets."""
    square = layered(200, 200, 200)
    inputs = np.random.default_rng(0).normal(size=200)
    inputs /= np.sqrt(np.mean(inputs**2))
    for name, expected in (("glorot", 1.0), ("he", 2.0), ("lecun", 1.0)):
        draw = jax.jit(jax.vmap(lambda seed, name=name: drawn(square, name, seed).weight[HIDDEN]))
        totals = np.einsum("i,kij->kj", inputs, draw(jnp.arange(40, dtype=jnp.uint32)))
        assert np.mean(totals**2) == pytest.approx(expected, rel=0.05)


# ---- fans ----------------------------------------------------------------------------------------


def test_fans_of_a_layered_net_are_its_sizes():
    for key, sizes in ((HIDDEN, (3, 4)), (OUTPUT, (4, 2))):
        fan_in, fan_out = fans_of(layered(3, 4, 2))[key]
        assert fan_in.tolist() == np.full(sizes, sizes[0]).tolist()
        assert fan_out.tolist() == np.full(sizes, sizes[1]).tolist()


def test_connections_that_skip_count_at_both_ends():
    fans = fans_of(skipping())
    assert fans[HIDDEN].fan_in[0].tolist() == [3] * 4
    assert fans[HIDDEN].fan_out[:, 0].tolist() == [4 + 2] * 3
    assert fans[OUTPUT].fan_in[0].tolist() == [4 + 3] * 2
    assert fans[DIRECT].fan_in.tolist() == [[7, 7]] * 3


@pytest.mark.parametrize("net", ["masked", "random"])
def test_absent_weights_do_not_count(net):
    network = NETS[net]
    for key, c in network.weights.items():
        if c.tie is not None:
            continue
        into, out_of = numpy_fans(network, c)
        expected = np.meshgrid(np.maximum(into, 1), np.maximum(out_of, 1))
        assert fans_of(network)[key].fan_in.tolist() == expected[0].tolist()
        assert fans_of(network)[key].fan_out.tolist() == expected[1].tolist()


def test_a_tied_weight_has_the_mean_of_its_places():
    """By hand, MASK and TIE: number 0 stands at (0, 0), (2, 0) and (2, 1); number 3 nowhere."""
    fan_in, fan_out = fans_of(skipping(MASK, TIE))[HIDDEN]
    # Into hidden units: 3, 2, 2, 0; out of inputs: 2 + 2, 2 + 2, 3 + 2.
    assert fan_in.tolist() == pytest.approx([(3 + 3 + 2) / 3, (2 + 3) / 2, (2 + 2) / 2, 1])
    assert fan_out.tolist() == pytest.approx([(4 + 5 + 5) / 3, (4 + 4) / 2, (4 + 5) / 2, 1])
    params = drawn(skipping(MASK, TIE), "lecun")
    raw = raw_draws(skipping(MASK, TIE), 7)[0].weight[HIDDEN]
    np.testing.assert_allclose(params.weight[HIDDEN], raw * np.sqrt(3 / fan_in), 1e-6)


def test_the_receptive_fields_of_t_c_count_what_they_see():
    """Fields at the edge see fewer places; a weight has the mean over those where it stands."""
    network = t_c().network
    (key, tied) = next((key, c) for key, c in network.weights.items() if c.tie is not None)
    into = np.array(numpy_fans(network, tied)[0])
    for k, fan_in in enumerate(fans_of(network)[key].fan_in):
        stands = (np.array(tied.tie) == k) & np.array(tied.mask)
        assert fan_in == pytest.approx(np.mean(into[np.nonzero(stands)[1]]))


def test_a_net_in_time_is_counted_once():
    """The iterated net: what enters a unit at a step, its own delayed connection included."""
    network = in_time()
    iterated = network.iterated
    for key, fans in fans_of(network).items():
        entering = sum(iterated.size(c.source) for c in iterated.incoming[key[1]])
        assert set(fans.fan_in.ravel().tolist()) == {float(entering)}
    assert fans_of(network) is fans_of(network)
    for name in DISTRIBUTIONS:
        Initializer(name).check(network)
        params = drawn(network, name)
        assert params.weight.keys() == network.weights.keys()
        assert params.bias.keys() == network.biases.keys()


# ---- Nguyen and Widrow ---------------------------------------------------------------------------


def numpy_nguyen_widrow(network, seed, factor=0.7):
    """Return weights into and biases of the hidden layer, from the raw draws, unit by unit."""
    raw, c = raw_draws(network, seed)[0], network.weights[HIDDEN]
    num_in, num_units = network.size("input"), network.size("hidden")
    bits = (30 - len(f"{num_in:b}")) // 2
    weights, biases = np.zeros((num_in, num_units)), np.zeros(num_units)
    for j in range(num_units):
        there = [i for i in range(num_in) if c.mask is None or c.mask[i][j]]
        beta = factor * num_units ** (1 / max(len(there), 1))
        direction = {i: 2 * np.floor(raw.weight[HIDDEN][i, j] * 2 ** (bits - 1)) + 1 for i in there}
        length = np.sqrt(sum(x**2 for x in direction.values()))
        for i, x in direction.items():
            weights[i, j] = beta * x / length
        biases[j] = beta * raw.bias["hidden"][j]
    return weights, biases


@pytest.mark.parametrize("net", ["layered", "skipping", "masked"])
@pytest.mark.parametrize("words", ["nguyen-widrow", "nguyen-widrow(factor=1.4)"])
def test_nguyen_and_widrow_against_numpy(words, net, dtype):
    network = NETS[net]
    params = drawn(network, words, dtype=dtype)
    weights, biases = numpy_nguyen_widrow(network, 7, 1.4 if "factor" in words else 0.7)
    tolerance = 1e-6 if dtype == "float32" else 4e-15
    np.testing.assert_allclose(params.weight[HIDDEN], weights, tolerance)
    np.testing.assert_allclose(params.bias["hidden"], biases, tolerance)


@pytest.mark.parametrize("sizes", [(1, 5, 1), (2, 2, 1), (3, 40, 4), (64, 32, 10), (784, 3, 2)])
def test_the_weights_into_a_unit_have_the_length_of_the_paper(sizes):
    num_in, num_hidden, _ = sizes
    network = layered(*sizes)
    draw = jax.jit(jax.vmap(lambda seed: drawn(network, "nguyen-widrow", seed, dtype="float64")))
    with jax.enable_x64(True):
        params = draw(jnp.arange(50, dtype=jnp.uint32))
    beta = 0.7 * num_hidden ** (1 / num_in)
    lengths = np.linalg.norm(params.weight[HIDDEN], axis=1)
    np.testing.assert_allclose(lengths, beta, 1e-14)
    assert np.abs(params.bias["hidden"]).max() <= beta
    assert np.abs(params.bias["hidden"]).max() > beta * 0.9
    plain = jax.vmap(lambda seed: drawn(network, "uniform", seed))(jnp.arange(50, dtype=jnp.uint32))
    np.testing.assert_allclose(params.weight[OUTPUT], plain.weight[OUTPUT], 1e-6)
    np.testing.assert_allclose(params.bias["output"], plain.bias["output"], 1e-6)


def test_the_directions_are_those_of_a_cube():
    """Of two weights: the angle's distribution, by SciPy on draws of its own."""
    network = layered(2, 50, 1)
    draw = jax.jit(jax.vmap(lambda seed: drawn(network, "nguyen-widrow", seed).weight[HIDDEN]))
    weights = np.asarray(draw(jnp.arange(200, dtype=jnp.uint32)))
    angles = np.arctan2(weights[:, 0], weights[:, 1]).ravel()
    cube = np.random.default_rng(0).uniform(-1, 1, (2, 50_000))
    assert stats.ks_2samp(angles, np.arctan2(*cube)).pvalue > 1e-6


def test_all_connections_into_a_unit_share_its_length():
    """Two hidden layers, the second of which the input enters too."""
    layers = [Layer("input", 3), Layer("a", 4), Layer("b", 5), Layer("output", 1)]
    pairs = [("input", "a"), ("input", "b"), ("a", "b"), ("b", "output")]
    network = Network(layers, [Connection(*pair) for pair in pairs])
    weight = drawn(network, "nguyen-widrow").weight
    both = np.concatenate([weight["input", "b"], weight["a", "b"]])
    np.testing.assert_allclose(np.linalg.norm(both, axis=0), 0.7 * 5 ** (1 / 7), 1e-6)
    single = drawn(network, "nguyen-widrow; input -> b: zero").weight
    lengths = np.linalg.norm(single["a", "b"], axis=0)
    np.testing.assert_allclose(lengths, 0.7 * 5 ** (1 / 7), 1e-6)
    assert not single["input", "b"].any()


# ---- one for each connection ---------------------------------------------------------------------


def test_a_connection_may_have_its_own():
    network = NETS["skipping"]
    params = drawn(network, "uniform; input -> hidden: he; hidden->output: range(low=0.1, high=1)")
    for key, name in ((HIDDEN, "he"), (DIRECT, "uniform"), (OUTPUT, "range(low=0.1, high=1)")):
        assert_trees_close(params.weight[key], drawn(network, name).weight[key], 0)
    assert_trees_close(params.bias["hidden"], drawn(network, "he").bias["hidden"], 0)
    # The first connection into the output layer is the direct one.
    assert_trees_close(params.bias["output"], drawn(network, "uniform").bias["output"], 0)


@pytest.mark.parametrize(
    ("words", "spelled"),
    [
        (" uniform ", "uniform"),
        ("glorot()", "glorot"),
        ("he(normal=TRUE, gain=2)", "he(gain=2.0)"),
        ("range(low=-1,high=.5)", "range(high=0.5)"),
        ("uniform; a->b: uniform", "uniform"),
        ("uniform;b -> c:he;a->b : zero", "uniform; a -> b: zero; b -> c: he"),
    ],
)
def test_a_distribution_has_one_spelling(words, spelled):
    assert Initializer(words) == Initializer(spelled)
    assert Initializer(words).distribution == spelled
    assert read_told(repr(Initializer(words, "zero"))) == Initializer(spelled, "zero")


FORM = "must be NAME, with SOURCE -> TARGET: NAME for single connections behind semicolons, got"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("cauchy", "must be one of uniform, normal, range, zero, glorot, he, lecun, nguyen-widrow"),
        ("", "must be one of uniform, normal"),
        ("uniform(low=0)", "must have no options in brackets, as key=value, got 'uniform(low=0)'"),
        ("range(to=1)", "must have only options of range (low, high) in brackets, as key=value"),
        ("range(low=1, high=0)", "must be right in high, which must be at least the low end, 1.0"),
        ("glorot(gain=0)", "must be right in gain, which must be above 0, got 'glorot(gain=0)'."),
        ("he(normal=1)", "must have true or false as normal, got 'he(normal=1)'."),
        ("nguyen-widrow(factor=-1)", "must be right in factor, which must be above 0, got"),
        ("uniform; he", f"{FORM} 'uniform; he'."),
        ("uniform; a: he", f"{FORM} 'uniform; a: he'."),
        ("uniform; a -> : he", f"{FORM} 'uniform; a -> : he'."),
        ("uniform;", f"{FORM} 'uniform;'."),
        ("uniform; a -> b: x", "must be one of uniform, normal"),
        ("uniform; a -> b: he; a->b: zero", "must say only once what a -> b has, got 'uniform; a"),
        (["uniform"], f"{FORM} ['uniform']."),
        (None, f"{FORM} None."),
    ],
)
def test_a_fault_of_a_distribution_is_named(words, said):
    with pytest.raises(SettingError) as fault:
        Initializer(words)
    assert str(fault.value).startswith(f"`distribution` {said}")


def test_a_task_needs_the_connections_that_are_named():
    with pytest.raises(SettingError) as fault:
        xor().with_settings(initializer=Initializer("uniform; input -> output: he"))
    said = (
        "`distribution` must name some of input -> hidden, hidden -> output, got 'input -> output'."
    )
    assert str(fault.value) == said
    xor(direct=True).with_settings(initializer=Initializer("uniform; input -> output: he"))
    with pytest.raises(SettingError, match="must not be nguyen-widrow where units share weights"):
        t_c().with_settings(initializer=Initializer("nguyen-widrow"))


@pytest.mark.parametrize(
    ("words", "given", "refused"),
    [
        ("uniform", 1.0, False),
        ("nguyen-widrow", 1.0, False),
        ("he; hidden -> output: normal", [0.5, 1.0], False),
        ("he", 1.0, "the distribution is he: it takes none"),
        ("range(low=0.0)", [0.5, 1.0], "the distribution is range(low=0.0): it takes none"),
        ("zero", 1.0, "the distribution is zero: it takes none"),
    ],
)
def test_a_range_that_no_distribution_takes_is_refused(words, given, refused):
    settings = {"initializer": Initializer(words), "init_range": given}
    if not refused:
        make_plan(xor(), 1, **settings)
        return
    with pytest.raises(SettingError) as fault:
        make_plan(xor(), 1, **settings)
    assert str(fault.value) == f"`init_range` must be left out where {refused}, got {given}."


# ---- normal draws --------------------------------------------------------------------------------


def test_normal_draws_are_the_quantiles_of_their_bits():
    """All tails below 2**12, and 2**18 others, against SciPy."""
    rng = np.random.default_rng(0)
    tail = np.concatenate([np.arange(2**12), rng.integers(2**12, 2**23, 2**18), [2**23 - 1]])
    sign = rng.integers(0, 2, tail.size)
    bits = (sign << 31 | tail << 8 | rng.integers(0, 2**8, tail.size)).astype(np.uint32)
    exact = stats.norm.isf((tail + 0.5) / 2**24) * np.where(sign, -1, 1)
    found = np.asarray(standard_normal(jnp.asarray(bits)), np.float64)
    np.testing.assert_allclose(found, exact, rtol=0, atol=3e-7)


def test_a_normal_draw_is_rounded_once():
    """So that no program rounds it in another way: the product in it has at most 24 bits."""
    _, slopes = _lines()
    mantissas, _ = np.frexp(slopes.astype(np.float64))
    assert np.all(mantissas * 2**12 == np.round(mantissas * 2**12))


# ---- the contract: seed, task, initialiser -------------------------------------------------------

ALL = (*BY_FORMULA, "nguyen-widrow", "normal; input -> hidden: nguyen-widrow")


@pytest.mark.parametrize("name", daily(["he", "nguyen-widrow"], of=ALL))
def test_the_weights_depend_on_the_seed_alone(name):
    """Bit for bit: alone, among others, in another order, in blocks of other shapes."""
    network = NETS["skipping"]

    def start(seed):
        return flatten_params(network, drawn(network, name, seed))

    seeds = np.array([5, 0, 2**32 - 1, 1, 17], np.uint32)
    alone = [np.asarray(jax.jit(start)(seed)) for seed in seeds]
    together = jax.jit(jax.vmap(start, out_axes=-1))
    for size in (5, 64, 129):
        block = np.arange(1000, 1000 + size, dtype=np.uint32)
        block[-5:] = seeds[::-1]
        found = np.asarray(together(block))[:, -5:].T[::-1]
        assert found.tobytes() == np.array(alone).tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nguyen-widrow", "glorot; hidden -> output: range(low=0)"])
def test_all_layouts_start_at_the_same_point(name):
    """A sweep that makes no change: the criterion holds at once."""
    settings = {"initializer": Initializer(name), "tolerance": 1.0, "keep_weights": True}
    found = [
        bpjax.sweep(xor(), 3, implementation=layout, block_size=size, **settings)["weights"]
        for layout, size in (("matrix", 64), ("unrolled", 128))
    ]
    run = bpjax.train(xor(), 2, initializer=Initializer(name), tolerance=1.0)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0][2], run.snapshots.weights[0])


def test_the_family_trees_can_start_in_any_way():
    task = family_trees()
    for name in ("glorot", "nguyen-widrow"):
        Initializer(name).check(task.network)
        start = jax.jit(lambda seed, name=name: drawn(task.network, name, seed))
        params = start(np.uint32(7))
        assert all(np.isfinite(entry).all() for entry in jax.tree.leaves(params))


def test_the_command_line_takes_the_words(tmp_path, capsys):
    words = "uniform; input -> hidden: nguyen-widrow(factor=1.4)"
    out = tmp_path / "sweep"
    line = ["sweep", "xor", "--seeds", "4", "--max-epochs", "3", "--no-figures", "--out", str(out)]
    assert main([*line, "--set", f"distribution={words}"]) == 0
    assert words in (out / "sweep.json").read_text()
    assert main([*line, "--set", "distribution=uniform"]) != 0
    assert "initializer" in capsys.readouterr().err
    assert main([*line, "--set", "distribution=he", "--init-range", "1"]) == 2
    assert "--init-range must be left out where the distribution is he" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("own", "changes", "taken"),
    [
        (Initializer("he"), {"biases": "zero"}, Initializer("he", "zero")),
        (Initializer(biases="zero"), {"distribution": "he"}, Initializer("he", "zero")),
        (Initializer(), {"distribution": "he"}, Initializer("he")),
    ],
)
def test_what_set_leaves_out_stays_the_tasks_own(own, changes, taken):
    from bpjax.cli.options import _drawn_otherwise

    assert _drawn_otherwise([xor().with_settings(initializer=own)], changes) == taken


def test_set_cannot_change_how_given_weights_are_drawn():
    from bpjax.cli.options import _drawn_otherwise

    task = xor().with_settings(initializer=bpjax.Start(np.zeros(9)))
    with pytest.raises(SettingError, match="`biases` must be left out where the task"):
        _drawn_otherwise([task], {"biases": "zero"})
