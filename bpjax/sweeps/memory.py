"""Memory: asked of the compiler before anything long begins, and held against what there is."""

from typing import Any

import jax

from bpjax.errors import SettingError


def check_memory(
    function: Any, arguments: tuple[Any, ...], block_size: int, num_devices: int
) -> None:
    """Raise SettingError if a compiled function needs more memory than its devices have free.

    The shape of a block is part of a sweep's identity, so it is never made smaller behind the
    user's back.

    Args:
      function: what `jax.jit` returned.
      arguments: of the call to come.
      block_size: runs per device, to be named in the complaint.
      num_devices: how many devices share the work.
    """
    needed, free = bytes_needed(function, arguments), bytes_free(num_devices)
    if free is not None and needed > free:
        rule = (
            f"is too large: the training program needs {_megabytes(needed)} per device and "
            f"{_megabytes(free)} are free (with summary_only, max_epochs counts too)"
        )
        raise SettingError("block_size", rule, block_size)


def bytes_needed(function: Any, arguments: tuple[Any, ...]) -> int:
    """Return what one call takes on one device, as the compiler says; 0 where it does not."""
    analysis = function.lower(*arguments).compile().memory_analysis()
    if analysis is None:
        return 0
    parts = ("argument_size_in_bytes", "output_size_in_bytes", "temp_size_in_bytes")
    return sum(getattr(analysis, part) for part in parts) - analysis.alias_size_in_bytes


def bytes_free(num_devices: int) -> int | None:
    """Return the memory that one local device has free; None where nobody says.

    Args:
      num_devices: how many CPU devices are to share the memory of the machine.
    """
    device = jax.local_devices()[0]
    stats = device.memory_stats()
    if stats and "bytes_limit" in stats:
        return int(stats["bytes_limit"] - stats.get("bytes_in_use", 0))
    if device.platform != "cpu":
        return None
    try:
        with open("/proc/meminfo") as file:
            line = next(line for line in file if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return None
    return int(line.split()[1]) * 1024 // num_devices


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"
