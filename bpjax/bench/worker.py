"""The process that measures: reads one request per line, answers each with one line of JSON.

`python -m bpjax.bench.worker ROLE`. JAX's flags hold for a whole process, so the idiom, which is
to be measured with JAX as it comes, and ours, which wants all cores, each have a worker. It ends
when its standard input does, so it does not outlive whoever started it.

Requests are {"do": NAME, ...}; answers are {"ok": ...}; or {"refused": [setting, rule, value]}
where a setting is not served; or {"failed": REASON, "well": FLAG} for any other fault: some leave a
process without its device, and it is of no use any more.
"""

import dataclasses
import json
import os
import sys
import textwrap
import traceback
from importlib.metadata import version
from statistics import median
from typing import Any, TextIO

from bpjax.bench.sizes import (
    ALL_CORES,
    IDIOM_IN_WORDS,
    USEFUL_CASE,
    USEFUL_MAX_EPOCHS,
    Size,
)
from bpjax.errors import SettingError

PACKAGES = ("jax", "jaxlib", "numpy", "optax")
LONGEST_REASON = 200


@dataclasses.dataclass
class Desk:
    """What a worker keeps between requests: the contenders that are ready, by (name, case)."""

    ready: dict[tuple[str, str], Any] = dataclasses.field(default_factory=dict)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to one request."""
        words = dict(request)
        do = getattr(self, f"do_{words.pop('do')}")
        try:
            return {"ok": do(**words)}
        except SettingError as fault:
            return {"refused": [fault.setting, fault.rule, repr(fault.value)]}
        except Exception as fault:
            traceback.print_exc()
            reason = first_line(fault)
        return {"failed": reason, "well": is_well()}  # here what the fault held is freed

    def do_why_no_gpu(self) -> str | None:
        """Say why there is no GPU, if there is none."""
        from bpjax.sweeps.devices import why_no_gpu

        return why_no_gpu()

    def do_hello(self) -> dict[str, Any]:
        """Say what this process is."""
        import jax

        from bpjax.bench.ours import fastest_first, implementations
        from bpjax.precision import precision_asked
        from bpjax.surroundings import cpu_kind
        from bpjax.sweeps.devices import device_kind, gpu_plugins

        return {
            "platform": jax.default_backend(),
            "device_kind": device_kind(),
            "num_devices": jax.local_device_count(),
            "num_multiprocessors": getattr(jax.local_devices()[0], "core_count", None),
            "platform_version": jax.local_devices()[0].client.platform_version,
            "cpu": cpu_kind(),
            "xla_flags": os.environ.get("XLA_FLAGS", ""),
            "matmul_precision": precision_asked(),
            "versions": {package: version(package) for package in PACKAGES} | gpu_plugins(),
            "implementations": implementations(),
            "fastest_first": fastest_first(),
        }

    def do_describe(self, case: str, epochs: int, block_size: int | None = None) -> dict[str, Any]:
        """Say what a case is, which implementation is chosen for it, and how many lanes."""
        import jax

        from bpjax.bench.cases import case_task
        from bpjax.bench.ours import raw_plan
        from bpjax.bench.plain import why_not_plain

        task = case_task(case)
        recipe, plan = task.recipe, raw_plan(task, "auto", epochs, block_size)
        why_none = why_not_plain(task)
        return {
            "title": task.title,
            "network": task.network.describe(),
            "num_cases": task.num_cases,
            "num_parameters": task.network.num_parameters,
            "learning_rate": _told(recipe.learning_rate),
            "momentum": _told(recipe.momentum),
            "init_range": recipe.init_range,
            "idiom": f"none: {why_none}" if why_none else IDIOM_IN_WORDS,
            "chosen": plan.implementation,
            "lanes": plan.block_size * jax.local_device_count(),
        }

    def do_prepare(self, contender: str, case: str, size: list[int]) -> dict[str, Any]:
        """Compile a contender and say what it computes."""
        ready = self._prepared(contender, case, size)
        return {
            "runs": ready.runs,
            "epochs": ready.epochs,
            "free": ready.free,
            "compile_seconds": ready.compile_seconds,
            "block_size": ready.block_size,
            "outcome": ready.outcome()._asdict(),
            "peak_bytes": peak_bytes(),
        }

    def do_turn(self, contender: str, case: str, size: list[int], epochs: int) -> dict[str, Any]:
        """Time a contender; one that got ready in a worker that has ended gets ready again."""
        if (contender, case) not in self.ready:
            self._prepared(contender, case, size).turn(epochs)
        return self.ready[contender, case].turn(epochs)._asdict()

    def _prepared(self, contender: str, case: str, size: list[int]) -> Any:
        from bpjax.bench.contenders import prepare

        ready = self.ready[contender, case] = prepare(contender, case, Size(*size))
        return ready

    def do_forget(self) -> None:
        """Drop what is ready, to free its memory."""
        self.ready.clear()

    def do_useful(
        self, case: str, seeds: int, max_epochs: int, refill: bool, block_size: int | None = None
    ) -> dict[str, Any]:
        """Train runs to their outcomes."""
        from bpjax.bench.cases import case_task
        from bpjax.bench.ours import useful

        return useful(case_task(case), seeds, max_epochs, refill, block_size)

    def do_lanes(
        self, contender: str, lanes: int, epochs: int, seconds: float, rounds: int
    ) -> dict[str, Any]:
        """Time one contender with so many runs of XOR at once."""
        from bpjax.bench.contenders import prepare_lanes

        ready = prepare_lanes(contender, lanes, epochs)
        ready.turn(epochs)  # warms up
        took = ready.turn(epochs).seconds
        many = max(1, int(epochs * seconds / took)) if ready.free else epochs
        made = [ready.turn(many) for _ in range(rounds)]
        rates = [timed.seed_epochs / timed.seconds for timed in made]
        return {
            "epochs": many,
            "compile_seconds": ready.compile_seconds,
            "rates": rates,
            "median": median(rates),
            "min": min(rates),
            "max": max(rates),
            "peak_bytes": peak_bytes(),
        }

    def do_outcomes(self, seeds: int, implementation: str) -> dict[str, Any]:
        """Time a sweep of XOR to its outcomes."""
        from bpjax.bench.cases import case_task
        from bpjax.bench.ours import time_outcomes

        return time_outcomes(case_task(USEFUL_CASE), seeds, USEFUL_MAX_EPOCHS, implementation)


def _told(value: Any) -> Any:
    """Return a number, or a schedule of numbers in words."""
    return value if isinstance(value, int | float) else str(value)


def first_line(fault: Exception) -> str:
    r"""Return what a fault says, as one line that is not too long.

    Example:
      >>> first_line(RuntimeError("RESOURCE_EXHAUSTED: out of memory\nwhile at it"))
      'RuntimeError: RESOURCE_EXHAUSTED: out of memory'
    """
    line = next(iter(str(fault).strip().splitlines()), "")
    return textwrap.shorten(f"{type(fault).__name__}: {line}", LONGEST_REASON, placeholder=" ...")


def is_well() -> bool:
    """Tell whether the device still computes."""
    import jax

    try:
        jax.block_until_ready(jax.numpy.arange(8) + 1)
    except Exception:
        return False
    return True


def peak_bytes() -> int | None:
    """Return the most memory of the device that this process has had so far; None if unknown."""
    import jax

    return (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use")


def serve(requests: TextIO, answers: TextIO) -> None:
    """Answer every request until there are no more."""
    desk = Desk()
    for line in requests:
        print(json.dumps(desk.answer(json.loads(line)), allow_nan=False), file=answers, flush=True)


def main(role: str) -> None:
    """Serve standard input as the worker called `role`; only answers go to standard output."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    if role == ALL_CORES:
        from bpjax.sweeps.devices import use_all_cpu_cores

        use_all_cpu_cores()
    serve(sys.stdin, answers)


if __name__ == "__main__":
    main(sys.argv[1])
