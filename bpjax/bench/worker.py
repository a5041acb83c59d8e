"""The process that measures: reads one request per line, answers each with one line of JSON.

`python -m bpjax.bench.worker ROLE`. JAX's flags hold for a whole process, so the idiom, which is
to be measured with JAX as it comes, and ours, which wants all cores, each have a worker. It ends
when its standard input does, so it does not outlive whoever started it.

Requests are {"do": NAME, ...}; answers are {"ok": ...}, or {"refused": [setting, rule, value]}
where a setting is not served. Any other fault ends the worker.
"""

import dataclasses
import json
import os
import sys
from importlib.metadata import version
from statistics import median
from typing import Any, TextIO

from bpjax.bench.sizes import ALL_CORES, USEFUL_CASE, USEFUL_MAX_EPOCHS, Size
from bpjax.errors import SettingError

PACKAGES = ("jax", "jaxlib", "numpy", "optax")


@dataclasses.dataclass
class Desk:
    """What a worker keeps between requests: the contenders that are ready, by (name, case)."""

    ready: dict[tuple[str, str], Any] = dataclasses.field(default_factory=dict)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to one request."""
        words = dict(request)
        try:
            return {"ok": getattr(self, f"do_{words.pop('do')}")(**words)}
        except SettingError as fault:
            return {"refused": [fault.setting, fault.rule, repr(fault.value)]}

    def do_hello(self) -> dict[str, Any]:
        """Say what this process is."""
        import jax

        from bpjax.bench.ours import implementations
        from bpjax.precision import precision_asked
        from bpjax.sweeps.devices import device_kind

        return {
            "platform": jax.default_backend(),
            "device_kind": device_kind(),
            "num_devices": jax.local_device_count(),
            "num_multiprocessors": getattr(jax.local_devices()[0], "core_count", None),
            "xla_flags": os.environ.get("XLA_FLAGS", ""),
            "matmul_precision": precision_asked(),
            "versions": {package: version(package) for package in PACKAGES},
            "implementations": implementations(),
        }

    def do_describe(self, case: str, epochs: int) -> dict[str, Any]:
        """Say what a case is, and which implementation is chosen for it."""
        from bpjax.bench.cases import case_task
        from bpjax.bench.ours import raw_plan

        task = case_task(case)
        recipe = task.recipe
        return {
            "title": task.title,
            "network": task.network.describe(),
            "num_cases": task.num_cases,
            "num_parameters": task.network.num_parameters,
            "learning_rate": recipe.learning_rate,
            "momentum": recipe.momentum,
            "init_range": recipe.init_range,
            "chosen": raw_plan(task, "auto", epochs).implementation,
        }

    def do_prepare(self, contender: str, case: str, size: list[int]) -> dict[str, Any]:
        """Compile a contender and say what it computes."""
        from bpjax.bench.contenders import prepare

        ready = prepare(contender, case, Size(*size))
        self.ready[contender, case] = ready
        return {
            "runs": ready.runs,
            "epochs": ready.epochs,
            "free": ready.free,
            "compile_seconds": ready.compile_seconds,
            "block_size": ready.block_size,
            "outcome": ready.outcome()._asdict(),
        }

    def do_turn(self, contender: str, case: str, epochs: int) -> dict[str, Any]:
        """Time a contender that is ready."""
        return self.ready[contender, case].turn(epochs)._asdict()

    def do_forget(self) -> None:
        """Drop what is ready, to free its memory."""
        self.ready.clear()

    def do_useful(self, case: str, seeds: int, max_epochs: int, refill: bool) -> dict[str, Any]:
        """Train runs to their outcomes."""
        from bpjax.bench.cases import case_task
        from bpjax.bench.ours import useful

        return useful(case_task(case), seeds, max_epochs, refill)

    def do_lanes(
        self, contender: str, lanes: int, epochs: int, seconds: float, rounds: int
    ) -> dict[str, Any]:
        """Time one contender with so many runs of XOR at once."""
        from bpjax.bench.contenders import lanes_turn

        turn, free = lanes_turn(contender, lanes, epochs)
        took = turn(epochs).seconds  # compiles, or warms up
        took = turn(epochs).seconds
        many = max(1, int(epochs * seconds / took)) if free else epochs
        made = [turn(many) for _ in range(rounds)]
        rates = [timed.seed_epochs / timed.seconds for timed in made]
        return {"epochs": many, "rates": rates, "median": median(rates)}

    def do_outcomes(self, seeds: int) -> dict[str, Any]:
        """Time a sweep of XOR to its outcomes."""
        from bpjax.bench.cases import case_task
        from bpjax.bench.ours import time_outcomes

        return time_outcomes(case_task(USEFUL_CASE), seeds, USEFUL_MAX_EPOCHS)


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
