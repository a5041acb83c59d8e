"""Strict settings for every test: no silent promotion, several CPU devices, headless plots."""

import gc
import os
import signal

os.environ.setdefault("MPLBACKEND", "Agg")

import hypothesis
import jax
import jaxtyping
import pytest
from browser import browser_page, chromium  # noqa: F401  (fixtures)

# Where the equations are, every array is held against the shape in its annotation. Not elsewhere:
# losses and settings refuse a wrong argument themselves, and that refusal is what is tested.
CHECKED_MODULES = ("backprop", "gradient_check", "witness")
jaxtyping.install_import_hook(
    [f"bpjax.{module}" for module in CHECKED_MODULES], "beartype.beartype"
)

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("bpjax", deadline=None)
hypothesis.settings.load_profile("bpjax")

jax.config.update("jax_num_cpu_devices", 4)  # before the backend starts

# A shell starts what it puts into the background with SIGINT ignored, and so would all commands
# be that the tests start; Ctrl-C is what many of them are for.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="module")
def strict_promotion():
    """Forbid silent promotion of types and ranks in the tests; doctests run as a user would."""
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield


@pytest.fixture(autouse=True, scope="module")
def programs_let_go():
    """Let go of what a file has compiled: programs map memory, and a process may map only so much.

    At 65,530 mapped pieces, some fifty files, Linux refuses another, and XLA ends the process.
    """
    yield
    jax.clear_caches()
    gc.collect()


@pytest.fixture
def float64():
    """Run the test in 64-bit mode."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    """Run the test once in each precision."""
    with jax.enable_x64(request.param == "float64"):
        yield request.param
