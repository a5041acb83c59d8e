"""Devices: which there are, and how runs are laid over them."""

import os

import jax
import numpy as np
from jax.sharding import Mesh


def use_all_cpu_cores() -> None:
    """Make every CPU core a JAX device; call it before JAX is first used, or it does nothing.

    One CPU device runs the small operations of these networks on one core. A number of CPU devices
    that the user has already set, through JAX's configuration or XLA_FLAGS, is kept. The command
    line calls this; importing bpjax never does.
    """
    asked_for = jax.config.jax_num_cpu_devices != -1  # type: ignore[attr-defined]
    in_flags = "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", "")
    if asked_for or in_flags:
        return
    try:
        jax.config.update("jax_num_cpu_devices", num_cores())
    except RuntimeError:  # The backend has started: what it has is what there is.
        return


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
