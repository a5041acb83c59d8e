"""The printed networks do what the chapter says, and the local minimum is one, as far as it goes.

Outputs are those listed as verified in the project's reference of published figures: computed from
the weights of the figures, independently of this code.
"""

import numpy as np
import pytest
import scipy.optimize
import scipy.special

import bpjax
from bpjax.analysis.activations import activations_of
from bpjax.analysis.solutions import mirror_weights
from bpjax.errors import SettingError
from bpjax.params import parameter_names, unflatten_params
from bpjax.witness import loss_and_gradient

ROUNDING = 0.05  # printed to one decimal
OUTPUTS_OF_THE_MINIMUM = (0.096, 0.500, 0.898, 0.500)  # of 00, 01, 10, 11: input 1 comes first
ALL = (bpjax.printed.xor_direct, bpjax.printed.xor_local_minimum, bpjax.printed.symmetry_detector)


def outputs_of(net, vector=None):
    rows = (net.vector() if vector is None else vector)[None]
    return activations_of(net.task.network, rows, net.task.inputs)["output"][0, :, 0]


def by_name(net):
    names = parameter_names(net.task.network)
    return dict(zip(names, net.vector().tolist(), strict=True))


@pytest.mark.parametrize("printed", ALL)
def test_a_printed_network_can_be_run(printed):
    net = printed()
    params = net.params()
    outputs = bpjax.forward(net.task.network, params, net.task.inputs)["output"]
    np.testing.assert_allclose(outputs[:, 0], outputs_of(net), atol=1e-6)
    flat = bpjax.params.flatten_params(net.task.network, params)
    np.testing.assert_allclose(flat, net.vector(), rtol=1e-6)
    assert str(flat.dtype) == "float32"


@pytest.mark.parametrize("printed", ALL)
def test_it_is_given_in_float64_where_asked_for(printed, float64):
    net = printed()
    flat = bpjax.params.flatten_params(net.task.network, net.params("float64"))
    np.testing.assert_array_equal(flat, net.vector())
    assert net.params().bias["output"].dtype == "float32"  # unless asked for, even here


def test_the_direct_solution_answers_as_published():
    outputs = outputs_of(bpjax.printed.xor_direct())
    np.testing.assert_array_equal(outputs.round(3), [0.103, 0.877, 0.877, 0.109])


def test_the_symmetry_detector_answers_as_published():
    net = bpjax.printed.symmetry_detector()
    outputs = outputs_of(net)
    symmetrical = net.task.targets[:, 0] > 0.5
    assert symmetrical.sum() == 8
    for group, ends in ((symmetrical, (0.857, 0.872)), (~symmetrical, (0.072, 0.169))):
        assert (outputs[group].min().round(3), outputs[group].max().round(3)) == ends


def test_the_symmetry_detector_has_two_opposite_antisymmetric_units():
    a, b = bpjax.printed.symmetry_detector().weight["input", "hidden"].T
    np.testing.assert_allclose(a, -b, atol=0.05)
    mirror = mirror_weights(np.array([a, b]))
    np.testing.assert_allclose(mirror.sizes.mean(axis=0), [1, 1.99, 3.95], atol=0.01)
    np.testing.assert_array_equal(mirror.order, [[0, 1, 2]] * 2)


def test_the_local_minimum_is_stuck_for_two_cases_and_right_for_two():
    net = bpjax.printed.xor_local_minimum()
    outputs = outputs_of(net)
    np.testing.assert_array_equal(outputs.round(3), OUTPUTS_OF_THE_MINIMUM)
    hidden = activations_of(net.task.network, net.vector()[None], net.task.inputs)["hidden"][0]
    input_2_on = net.task.inputs[:, 1] == 1
    assert hidden[input_2_on].min() > 0.999
    assert hidden[~input_2_on].max() < 0.99


def test_the_weights_of_the_local_minimum_stand_where_the_figure_has_them():
    # Input 2's weights are so large that neither outputs nor gradients show them: see below.
    assert by_name(bpjax.printed.xor_local_minimum()) == {
        "input[0] -> hidden[0]": -2.0,
        "input[0] -> hidden[1]": 4.3,
        "input[1] -> hidden[0]": 9.2,
        "input[1] -> hidden[1]": 8.8,
        "hidden[0] -> output[0]": -4.5,
        "hidden[1] -> output[0]": 5.3,
        "bias hidden[0]": 2.0,
        "bias hidden[1]": -0.1,
        "bias output[0]": -0.8,
    }


def gradient_at(vector, off, on):
    """The gradient of the XOR loss in the 2-2-1 net, by the loops of the witness."""
    task = bpjax.tasks.xor(off=off, on=on)
    params = unflatten_params(task.network, np.asarray(vector))
    _, grads = loss_and_gradient(task.network, params, task.inputs, task.targets, task.loss)
    parts = [grads.weight[key] for key in task.network.weights]
    parts += [grads.bias[name] for name in task.network.biases]
    return np.concatenate([part.reshape(-1) for part in parts])


def norm_at(vector, off, on):
    return np.linalg.norm(gradient_at(vector, off, on))


def flattest(vector, off, on, box=ROUNDING):
    """The point with the smallest gradient that a local search finds in the box round a point."""
    bounds = vector - box, vector + box
    tight = {"xtol": 1e-15, "ftol": 1e-15, "gtol": 1e-15}
    found = scipy.optimize.least_squares(
        gradient_at, vector, bounds=bounds, args=(off, on), **tight
    )
    return found.x, np.linalg.norm(found.fun)


def test_targets_of_a_tenth_make_the_local_minimum_stationary():
    vector = bpjax.printed.xor_local_minimum().vector()
    assert norm_at(vector, 0.1, 0.9) == pytest.approx(0.00114, abs=0.00001)
    point, smallest = flattest(vector, 0.1, 0.9)
    assert np.abs(point - vector).max() <= ROUNDING
    assert smallest == pytest.approx(9.0e-5, rel=0.03)
    # What is left pulls at input 2's weights; the other seven feel nothing.
    gradient = np.abs(gradient_at(point, 0.1, 0.9))
    assert np.delete(gradient, [2, 3]).max() < 2e-5 < gradient[[2, 3]].min()


def test_the_gradient_left_is_that_of_a_plateau_on_the_way_to_infinity():
    vector = bpjax.printed.xor_local_minimum().vector()
    vector[2:4] = 20
    assert flattest(vector, 0.1, 0.9)[1] < 1e-8


def test_targets_of_zero_and_one_leave_a_gradient_everywhere_in_the_rounding():
    vector = bpjax.printed.xor_local_minimum().vector()
    assert norm_at(vector, 0, 1) == pytest.approx(0.0171, abs=0.0001)
    assert flattest(vector, 0, 1)[1] == pytest.approx(0.0141, abs=0.0001)
    least = least_pull_on_the_first_weight(vector)
    assert least > 0.0067
    rng = np.random.default_rng(0)
    sample = vector + rng.uniform(-ROUNDING, ROUNDING, (300, 9))
    pulls = np.array([gradient_at(point, 0, 1)[0] for point in sample])
    assert least < pulls.min() < least + 0.004


def least_pull_on_the_first_weight(vector):
    """A bound by interval arithmetic on dE/dw of input 1 -> hidden 1, targets 0 and 1.

    The weight is used in two cases: dE/dw = sum (y - d) y (1 - y) v h (1 - h) over "10" and "11".
    """
    logistic = scipy.special.expit
    a, b, c, _, v, w, bias_1, bias_2, bias = vector
    wide = 2 * ROUNDING
    h1 = logistic(a + bias_1 + np.array([-wide, wide]))  # unit 1 in case 10
    h2 = logistic(b + bias_2 + np.array([-wide, wide]))
    net_high = (v + ROUNDING) * h1[0] + (w + ROUNDING) * h2[1] + bias + ROUNDING
    y = logistic(net_high)  # (1 - y) y (1 - y) falls with y beyond 1/3
    slope_1 = (h1 * (1 - h1)).min()
    case_10 = y * (1 - y) ** 2 * (-v - ROUNDING) * slope_1
    saturated = logistic(a + c + bias_1 - 3 * ROUNDING)  # unit 1 in case 11
    largest = 4 / 27  # of y y (1 - y), wherever y is
    case_11 = largest * (-v + ROUNDING) * saturated * (1 - saturated)
    return case_10 - case_11


def test_the_gradient_over_the_rounding_box():
    vector = bpjax.printed.xor_local_minimum().vector()
    corner, largest = vector, 0.0
    for _ in range(3):  # coordinate by coordinate, always to the steeper end
        for k in range(9):
            ends = [corner + (end - corner[k]) * np.eye(9)[k] for end in vector[k] + BOX]
            corner = max(ends, key=lambda point: norm_at(point, 0.1, 0.9))
        largest = norm_at(corner, 0.1, 0.9)
    assert largest == pytest.approx(0.0391, abs=0.0002)
    rng = np.random.default_rng(0)
    sample = vector + rng.uniform(-ROUNDING, ROUNDING, (300, 9))
    norms = np.array([norm_at(point, 0.1, 0.9) for point in sample])
    assert 9.0e-5 < norms.min() < 0.003
    assert norms.max() <= largest


BOX = np.array([-ROUNDING, ROUNDING])


@pytest.mark.parametrize("name", sorted(by_name(bpjax.printed.xor_local_minimum())))
@pytest.mark.parametrize("shift", [-0.3, 0.3])
def test_each_weight_is_held_by_the_outputs_or_the_gradient(name, shift):
    net = bpjax.printed.xor_local_minimum()
    vector = net.vector()
    vector[parameter_names(net.task.network).index(name)] += shift
    _, smallest = flattest(vector, 0.1, 0.9)
    as_published = tuple(outputs_of(net, vector).round(3)) == OUTPUTS_OF_THE_MINIMUM
    assert not (as_published and smallest == pytest.approx(9.0e-5, rel=0.03))
    # The weights that lead to the output are held by the gradient alone, by far.
    if "output" in name:
        assert smallest > 0.03


def test_the_gradient_of_bpjax_is_that_of_the_witness_here(float64):
    net = bpjax.printed.xor_local_minimum()
    _, grads = bpjax.value_and_grad(net.task.network)(
        net.params("float64"), *net.task.cases("float64")
    )
    ours = bpjax.params.flatten_params(net.task.network, grads)
    np.testing.assert_allclose(ours, gradient_at(net.vector(), 0.1, 0.9), rtol=1e-12)


def test_printed_weights_do_not_fit_another_network():
    with pytest.raises(SettingError, match="`weights`"):
        activations_of(bpjax.layered(2, 3, 1), bpjax.printed.xor_direct().vector()[None], [[0, 1]])
