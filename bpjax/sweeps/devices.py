"""Devices: which there are, and how runs are laid over them."""

import functools
import os
from importlib.metadata import entry_points
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax._src import xla_bridge  # there is no public way to ask
from jax.sharding import Mesh

from bpjax.surroundings import flags_asked_for, pinned

SMALL_LOOP_OPTION = "xla_cpu_small_while_loop_byte_threshold"
"""XLA compiles a loop as one function if its state is smaller than this; else op by op, slowly."""

SMALL_LOOP_FLAG = f"--xla_backend_extra_options={SMALL_LOOP_OPTION}={2**20}"
"""What the command line asks of XLA."""

SMALL_LOOP_MARK = "xla_cpu_small_call"
"""What such a loop is called in a compiled program."""


def use_all_cpu_cores() -> None:
    """Make every CPU core a JAX device and compile epochs as one loop; call it before JAX is used.

    One CPU device runs the small operations of these networks on one core, and XLA dispatches them
    one by one unless told otherwise. What the user has set, through JAX's configuration or
    XLA_FLAGS, is kept, and once JAX has started nothing changes. The command line calls this;
    importing bpjax never does.
    """
    if xla_bridge.backends_are_initialized():
        return
    flags = flags_asked_for()
    asked_for = jax.config.jax_num_cpu_devices != -1  # type: ignore[attr-defined]
    if not asked_for and "xla_force_host_platform_device_count" not in flags:
        jax.config.update("jax_num_cpu_devices", num_cores())
    if "xla_backend_extra_options" not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {SMALL_LOOP_FLAG}".strip()


def keep_compiled_programs() -> None:
    """Keep compiled programs on disk, so that the next process need not compile them again.

    The command line calls this; importing bpjax never does. A cache folder of the user's own,
    through JAX's configuration or JAX_COMPILATION_CACHE_DIR, is kept.
    """
    if jax.config.jax_compilation_cache_dir is None:  # type: ignore[attr-defined]
        home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
        jax.config.update("jax_compilation_cache_dir", os.path.join(home, "bpjax", "programs"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)


@functools.cache
@pinned()
def loops_are_one_function() -> bool | None:
    """Return whether XLA compiles loops as large as ours as one function; None but on CPUs.

    The option that asks for it is not documented and may be gone one day: so the compiler is given
    a loop with a state of 64 KiB, and what it made of it is read.
    """
    if jax.local_devices()[0].platform != "cpu":
        return None
    rows = [jnp.zeros(1024, jnp.float32)] * 16
    loop = jax.jit(lambda rows, n: lax.fori_loop(0, n, lambda _, r: [x + 1 for x in r], rows))
    return SMALL_LOOP_MARK in (loop.lower(rows, 3).compile().as_text() or "")


def num_cores() -> int:
    """Return the number of CPU cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS has no affinity
        return os.cpu_count() or 1


def lane_mesh(num_devices: int | None = None) -> Mesh:
    """Return the mesh over which lanes are laid: one axis, all local devices unless told.

    Args:
      num_devices: use only the first so many.
    """
    return Mesh(np.array(jax.local_devices()[:num_devices]), ("lanes",))


def device_kind() -> str:
    """Return what the devices are, for example "cpu" or "NVIDIA H200"."""
    return jax.local_devices()[0].device_kind


# ---- where is the GPU ----------------------------------------------------------------------------

SIGNS_OF_A_CARD = (Path("/dev/nvidiactl"), Path("/proc/driver/nvidia"))
"""What NVIDIA's driver puts there, whether JAX can use the card or not."""


def why_no_gpu() -> str | None:
    """Return why JAX does not run on a GPU here, in one sentence; None if it does."""
    said = ""
    try:
        if jax.default_backend() == "gpu":
            return None
    except Exception as fault:  # of any kind: a driver too old, or JAX_PLATFORMS=cuda and no card
        said = f": {str(fault).splitlines()[0]}" if str(fault) else ""
    plugins = gpu_plugins()
    if plugins:
        asked = os.environ.get("JAX_PLATFORMS")
        told = f" with JAX_PLATFORMS={asked}" if asked else ""
        return f"JAX has a plugin for GPUs here ({', '.join(plugins)}), but finds none{told}{said}"
    seen = any(sign.exists() for sign in SIGNS_OF_A_CARD)
    though = ", though the machine seems to have an NVIDIA card" if seen else ""
    return f"JAX has no plugin for GPUs here{though}; `pip install 'bpjax[cuda13]'` brings one"


def gpu_plugins() -> dict[str, str]:
    """Return the installed packages that let JAX use GPUs, with their versions."""
    found = [entry.dist for entry in entry_points(group="jax_plugins") if entry.dist]
    kinds = ("cuda", "rocm")
    return {p.name: p.version for p in found if any(kind in p.name.lower() for kind in kinds)}
