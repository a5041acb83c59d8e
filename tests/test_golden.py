"""Golden values (P14): an upgrade that changes numbers is noticed.

The initial weights must be equal bit for bit on every version: they depend on JAX's Threefry
generator alone. Losses and epochs may differ by rounding: JAX 0.10.2 and 0.12.0 on one CPU gave
losses that agree to one unit in the last place of a double, and the same epochs.
"""

import numpy as np
import pytest
from helpers import advance, first_state

from bpjax import tasks
from bpjax.params import flatten_params
from bpjax.status import Status

# The float32 bits of every initial weight and bias, in the order of `parameter_names`.
INITIAL_WEIGHTS = {
    ("xor", 0): (
        "be4f58d7 be3e8e54 bc5ebc1a 3d4e54a1 be7bff32 be93b6eb be5f4c97 bcdd48b4 3d76fb2d"
    ),
    ("xor", 1986): (
        "be86c244 be7020f7 3b0feb9a 3e6c1507 be8af50c bd977f24 3e90749c 3db7b5a7 3e1123ec"
    ),
    ("xor", 4294967295): (
        "3da00ca7 3e64baa9 3e6880e7 be408bd2 be38224f 3e64bbc4 3d09763a be11fac2 3dcdcbad"
    ),
    ("symmetry", 0): (
        "be4f58d7 be3e8e54 bc5ebc1a 3d4e54a1 be7bff32 be93b6eb be5f4c97 bcdd48b4 3d76fb2d "
        "3e7e5f04 bd02d534 be02c590 3e05ac37 3e105d2c bcc969e7 3e75ccda 3e1fc23c"
    ),
    ("symmetry", 1986): (
        "be86c244 be7020f7 3b0feb9a 3e6c1507 be8af50c bd977f24 3e90749c 3db7b5a7 3e1123ec "
        "3e4dc0c9 3d8f565a 3e128454 be38409c bd3ed68d be650ff4 3e704f2f 3d7ce74d"
    ),
    ("symmetry", 4294967295): (
        "3da00ca7 3e64baa9 3e6880e7 be408bd2 be38224f 3e64bbc4 3d09763a be11fac2 3dcdcbad "
        "be12c157 be8ce336 be9964ef 3e786a7d 3e66b921 3d666054 bdffdcfd 3db941a7"
    ),
}
# (task, seed): losses of the initial weights, after 1 epoch, after 100 epochs.
LOSSES = {
    ("xor", 0): [0.5040631810184979, 0.5033883599184158, 0.4999972616055288],
    ("xor", 1986): [0.5002384451965992, 0.5001956400772508, 0.5000003508012852],
    ("symmetry", 0): [9.84604897507368, 4.8190171112412195, 3.999937610786505],
    ("symmetry", 1986): [7.73130987304169, 4.245983220898757, 3.9999462417663114],
}
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}
EPOCHS_OF_XOR = {0: 686, 1986: 818}  # until every output is on its side of one half


@pytest.mark.parametrize(("name", "seed"), INITIAL_WEIGHTS)
def test_initial_weights(name, seed):
    task = tasks.make_task(name)
    _, _, state = first_state(task, seed)
    weights = np.asarray(flatten_params(task.network, state.params)).astype(">f4")
    assert weights.tobytes().hex(" ", 4) == INITIAL_WEIGHTS[name, seed]


@pytest.mark.parametrize(("name", "seed"), LOSSES)
def test_losses(name, seed, dtype):
    task = tasks.make_task(name).with_settings(loss_below=1e-30)  # no run ends
    # a run is judged before its epoch: after n + 1 steps the loss is that after n epochs
    losses = [float(advance(task, n + 1, seed, dtype=dtype).loss) for n in (0, 1, 100)]
    np.testing.assert_allclose(losses, LOSSES[name, seed], rtol=TOLERANCE[dtype])


@pytest.mark.parametrize("seed", EPOCHS_OF_XOR)
def test_epochs_to_converge(seed, dtype):
    ended = advance(tasks.xor(), 2000, seed, dtype=dtype)
    assert ended.status == Status.CONVERGED
    assert int(ended.epoch) == pytest.approx(EPOCHS_OF_XOR[seed], abs=1)
