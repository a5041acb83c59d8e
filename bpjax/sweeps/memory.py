"""Memory is asked for before it is taken: by sizes alone first, then of the compiler.

The shape of a block is part of a sweep's identity, so it is never made smaller behind the user's
back: what does not fit is refused, by the name of the setting that makes it large.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from bpjax.errors import SettingError
from bpjax.layouts.lanes import num_lanes
from bpjax.params import num_entries
from bpjax.results.chunks import num_runs_of
from bpjax.sweeps.plan import Plan
from bpjax.task import Task

try:
    import resource
except ImportError:  # not a POSIX system: it limits no single process
    resource = None  # type: ignore[assignment]

ARRAYS = 3
"""Of a run, each as large as its weights: these, one memory of the rule, the gradient. At least."""
BYTES_PER_CASE_NUMBER = 100
"""Of inputs and targets, while they are written down as text for the identity of a sweep; counted
for jax 0.10 and Python 3.11."""
BYTES_PER_NAME = 500
"""Likewise of a weight's name, where names are stored beside the weights."""
TABLE_COPIES = 4
"""Of the per-run table, while it is put together."""
SPARE = 0.1
"""Share of what is free that is left to others."""


# ---- what is needed ------------------------------------------------------------------------------


def check_sizes(plan: Plan) -> None:
    """Raise SettingError if the lanes of a plan cannot fit into memory, whatever the compiler does.

    Looks at sizes only: nothing as large as the net has been made before.
    """
    on_devices, here = bytes_free(jax.local_device_count()), bytes_free(1, of_host=True)
    for task in {id(cell.task.network): cell.task for cell in plan.cells}.values():
        refuse(plan, task, at_least(plan, task), on_devices)
        names = num_entries(task.network) * BYTES_PER_NAME * plan.keep_weights
        described = (task.inputs.size + task.targets.size) * BYTES_PER_CASE_NUMBER
        refuse(plan, task, names + described, here)


def at_least(plan: Plan, task: Task) -> int:
    """Return bytes that a device needs at the very least for its lanes and what is written down."""
    lanes, itemsize = num_lanes(plan.block_size), np.dtype(plan.precision).itemsize
    entries = num_entries(task.network)
    rows = lanes * entries * itemsize if plan.keep_weights else 0
    return ARRAYS * lanes * entries * itemsize + rows + _histogram(plan, task)


def check_rows(plan: Plan) -> None:
    """Raise SettingError if the per-run table of a plan cannot fit into memory."""
    if plan.summary_only:
        return
    weights = num_entries(plan.tasks[0].network) if plan.keep_weights else 0
    row = 4 + 1 + 4 + 8 + 8 * (len(plan.cells[0].columns) + weights)  # seed, status, epochs, loss
    needed = TABLE_COPIES * row * num_runs_of(plan.runs)
    free = bytes_free(1, of_host=True)
    if free is not None and needed > free:
        rule = (
            f"is too large: the per-run table needs {_megabytes(needed)} and {_megabytes(free)} "
            "are free; summary_only keeps no row per run, a shard fewer"
        )
        raise SettingError("seeds", rule, plan.num_seeds)


def check_memory(
    function: Any, arguments: tuple[Any, ...], plan: Plan, task: Task, num_devices: int
) -> None:
    """Raise SettingError if a compiled function needs more memory than its devices have free.

    Args:
      function: what `jax.jit` returned.
      arguments: of the call to come.
      plan: what is to be trained.
      task: that of the group.
      num_devices: how many devices share the work.
    """
    refuse(plan, task, bytes_needed(function, arguments), bytes_free(num_devices))


def refuse(plan: Plan, task: Task, needed: int, free: int | None) -> None:
    """Raise SettingError if a device needs more bytes than are free; None: nobody knows."""
    if free is None or needed <= free:
        return
    setting, value = _culprit(plan, task)
    rule = (
        f"is too large: training needs at least {_megabytes(needed)} per device and "
        f"{_megabytes(free)} are free"
    )
    raise SettingError(setting, rule, value)


def _culprit(plan: Plan, task: Task) -> tuple[str, Any]:
    """Return the setting that makes a plan large, and its value."""
    if 2 * _histogram(plan, task) > at_least(plan, task):
        return "max_epochs", task.recipe.max_epochs
    if plan.block_size_asked:
        return "block_size", plan.block_size
    sizes = {name: value for name, value in task.options.items() if type(value) is int}
    if not sizes:
        return "network", task.network.describe()
    largest = max(sizes, key=lambda name: sizes[name])
    return largest, sizes[largest]


def _histogram(plan: Plan, task: Task) -> int:
    """Return the bytes of a device's counts, which a call makes anew, for each status and epoch."""
    return 2 * 3 * 4 * (task.recipe.max_epochs + 1) if plan.summary_only else 0


def bytes_needed(function: Any, arguments: tuple[Any, ...]) -> int:
    """Return what one call takes on one device, as the compiler says; 0 where it does not."""
    analysis = function.lower(*arguments).compile().memory_analysis()
    if analysis is None:
        return 0
    parts = ("argument_size_in_bytes", "output_size_in_bytes", "temp_size_in_bytes")
    return sum(getattr(analysis, part) for part in parts) - analysis.alias_size_in_bytes


# ---- what there is -------------------------------------------------------------------------------


def bytes_free(num_devices: int, of_host: bool = False) -> int | None:
    """Return the memory that one local device has free; None where nobody says.

    Args:
      num_devices: how many CPU devices are to share the memory of the machine.
      of_host: ask about the memory of the machine, whatever the devices.
    """
    device = jax.local_devices()[0]
    stats = None if of_host else device.memory_stats()
    if stats and "bytes_limit" in stats:
        return int(stats["bytes_limit"] - stats.get("bytes_in_use", 0))
    if device.platform != "cpu" and not of_host:
        return None
    free = min([*_of_machine(), *_of_control_groups(), *limits_of_process()], default=None)
    return None if free is None else int(max(free, 0) * (1 - SPARE)) // num_devices


def _of_machine() -> Iterator[int]:
    """Yield what the system could still give."""
    try:
        with open("/proc/meminfo") as file:
            line = next(line for line in file if line.startswith("MemAvailable"))
        yield int(line.split()[1]) * 1024
    except (OSError, StopIteration):  # not Linux: all there is, whoever has it
        try:
            yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (AttributeError, ValueError, OSError):
            return


_GROUPS = {
    "": ("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
    "memory": (
        "sys/fs/cgroup/memory",
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        "total_inactive_file",
    ),
}
"""By controller, the second version's and the first's: where control groups are, and the names of
their limit, of what they use, and of what of that is files that can be read again."""


def _of_control_groups(root: Path = Path("/")) -> Iterator[int]:
    """Yield what the control groups of this process, and those above them, leave free."""
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        for controller in set(controllers.split(",")) & set(_GROUPS):
            place, limit, used, files = _GROUPS[controller]
            # In a container the path may be that of the host, but its own group is at the root.
            own = root / place / path.strip("/")
            for group in (own, *own.parents):
                bound, use = _number(group / limit), _number(group / used)
                if bound is not None and use is not None:
                    stat = dict(line.split()[:2] for line in _lines(group / "memory.stat"))
                    yield bound - use + int(stat.get(files, 0))
                if group == root / place:
                    break


def limits_of_process() -> Iterator[int]:
    """Yield what the limits of this process (ulimit -v, ulimit -d) leave free."""
    sizes = [int(word) for line in _lines(Path("/proc/self/statm")) for word in line.split()]
    if resource is None or not sizes:
        return
    address_space, data = sizes[0], sizes[5]
    for kind, used in ((resource.RLIMIT_AS, address_space), (resource.RLIMIT_DATA, data)):
        bound = resource.getrlimit(kind)[0]
        if bound != resource.RLIM_INFINITY:
            yield bound - used * resource.getpagesize()


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:
        return []


def _number(file: Path) -> int | None:
    """Return the number in a file; None if there is none, or the word "max"."""
    words = " ".join(_lines(file))
    return int(words) if words.isdecimal() else None


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"
