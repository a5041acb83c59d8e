"""On an NVIDIA GPU: `pytest -m gpu`. Skipped, in one sentence, where JAX finds none.

Nobody has run these yet; where a tolerance is a guess, the text says so.
"""

import hashlib
import os
import subprocess
import sys

import jax
import numpy as np
import pytest
from test_fused import TASKS, by_steps

import bpjax
from bpjax.errors import SettingError
from bpjax.network import flatten_params
from bpjax.status import Status
from bpjax.sweeps import scheduler
from bpjax.tasks import xor

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        jax.default_backend() != "gpu", reason="JAX finds no GPU here; nothing was tested on one"
    ),
]

LAYOUTS = list(scheduler.LAYOUTS)


def swept(task, num_runs, implementation, **words):
    """Sweep, or skip with the reason what an implementation or an older card cannot serve."""
    try:
        return bpjax.sweep(task, num_runs, implementation=implementation, **words)
    except SettingError as fault:
        pytest.skip(str(fault))


def digest(result, runs=slice(None)):
    columns = (result[name][runs] for name in ("status", "epochs", "loss", "weights"))
    return hashlib.sha256(b"".join(column.tobytes() for column in columns)).hexdigest()


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("implementation", LAYOUTS)
def test_weights_are_those_of_a_cpu_in_float64(implementation, name):
    """Nine epochs in float32: rounding grows to some 1e-5, a wrong formula shows in the first."""
    task = TASKS[name].with_settings(max_epochs=9)
    ours = swept(task, 5, implementation, keep_weights=True)
    with jax.default_device(jax.devices("cpu")[0]), jax.enable_x64(True):
        theirs = by_steps(task, epochs=10)  # the tenth step only judges
    np.testing.assert_array_equal(ours["status"], theirs.status)
    np.testing.assert_array_equal(ours["epochs"], theirs.epoch)
    for run, weights in enumerate(ours["weights"]):
        params = jax.tree.map(lambda leaf, run=run: leaf[..., run], theirs.params)
        expected = flatten_params(task.network, params)
        np.testing.assert_allclose(weights, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("implementation", LAYOUTS)
def test_bits_do_not_depend_on_order_neighbours_or_refill(implementation):
    words = {"block_size": 1024, "keep_weights": True, "max_epochs": 2000}
    all_of_them = swept(xor(), 5000, implementation, **words)
    some = slice(4000, 4500)
    again = bpjax.sweep(xor(), 500, first_seed=4000, implementation=implementation, **words)
    waiting = bpjax.sweep(xor(), 5000, implementation=implementation, refill=False, **words)
    assert digest(all_of_them, some) == digest(again)
    assert digest(all_of_them) == digest(waiting)


PROGRAM = """
import bpjax, numpy as np, sys
from bpjax.tasks import xor
words = {"implementation": sys.argv[1], "block_size": 1024, "max_epochs": 2000}
result = bpjax.sweep(xor(), 2000, keep_weights=True, **words)
np.savez(sys.argv[2], **{name: result[name] for name in ("status", "epochs", "loss", "weights")})
"""


def in_another_process(tmp_path, implementation, **environment):
    file = tmp_path / "result.npz"
    subprocess.run(
        [sys.executable, "-c", PROGRAM, implementation, str(file)],
        env=os.environ | environment,
        check=True,
    )
    return dict(np.load(file))


@pytest.mark.parametrize("implementation", LAYOUTS)
def test_bits_are_the_same_in_another_process(tmp_path, implementation):
    words = {"block_size": 1024, "keep_weights": True, "max_epochs": 2000}
    here = swept(xor(), 2000, implementation, **words)
    assert digest(here) == digest(in_another_process(tmp_path, implementation))


@pytest.mark.parametrize("implementation", LAYOUTS)
def test_outcomes_and_epochs_are_those_of_a_cpu(tmp_path, implementation):
    """Other rounding may move an epoch and, at the cap, an outcome; one in fifty is a guess."""
    ours = swept(xor(), 2000, implementation, block_size=1024, max_epochs=2000)
    cpu = in_another_process(tmp_path, "unrolled", JAX_PLATFORMS="cpu", XLA_FLAGS="")
    assert np.mean(ours["status"] == cpu["status"]) > 0.98
    both = (ours["status"] == Status.CONVERGED) & (cpu["status"] == Status.CONVERGED)
    apart = np.abs(ours["epochs"] - cpu["epochs"])[both]
    assert np.mean(apart <= 0.02 * cpu["epochs"][both]) > 0.95
