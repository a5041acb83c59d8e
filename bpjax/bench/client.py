"""The other end of a worker: starts it, asks it, and never leaves it behind."""

import json
import os
import select
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from bpjax.bench.sizes import ALL_CORES, DEFAULT
from bpjax.errors import SettingError

SECONDS_BETWEEN_CHECKS = 0.1
PATIENCE = {"cpu": None, "gpu": 150.0}
"""Seconds in which a worker must answer, by suite: nobody has seen what a kernel does on a card."""

JAX_SETTINGS = ("XLA_FLAGS", "JAX_NUM_CPU_DEVICES", "JAX_ENABLE_X64", "JAX_PLATFORMS")
"""What a user may have set for JAX; a worker with default settings has none of it."""

STACK = ("@ ", "*** ", "#")
"""How lines begin that XLA's crashes end with, after the one that says what happened."""


class WorkerError(RuntimeError):
    """What was asked of a worker failed, or ended it; the sentence says how.

    The worker can be asked again: where it ended, or has lost its device, a new one is started.
    """


def environment(
    role: str, suite: str, given: Mapping[str, str], precision: str = "float32"
) -> dict[str, str]:
    """Return the environment of a worker.

    Args:
      role: `DEFAULT` or `ALL_CORES`; the second keeps the user's flags, as the command line does.
      suite: "cpu" keeps JAX to the CPU; "gpu" lets it choose, and lets two workers share a card.
      given: the environment of this process.
      precision: "float64" turns JAX's 64-bit mode on, and what a worker trains is in float64.

    Example:
      >>> environment("default", "cpu", {"HOME": "/", "XLA_FLAGS": "--some_flag"})
      {'HOME': '/', 'JAX_PLATFORMS': 'cpu'}
    """
    dropped = JAX_SETTINGS if role == DEFAULT else JAX_SETTINGS[2:]
    kept = {name: value for name, value in given.items() if name not in dropped}
    kept |= {"JAX_ENABLE_X64": "1"} if precision == "float64" else {}
    if suite == "cpu":
        return kept | {"JAX_PLATFORMS": "cpu"}
    return kept | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}


class Worker:
    """A running worker.

    Args:
      role: `DEFAULT` or `ALL_CORES`.
      suite: "cpu" or "gpu".
      check: called while an answer is awaited; raises to stop.
      precision: of all that it trains.
    """

    def __init__(
        self, role: str, suite: str, check: Callable[[], None], precision: str = "float32"
    ):
        self.role, self.suite, self.check, self.precision = role, suite, check, precision
        self._start()

    def _start(self) -> None:
        self.lost = False
        self.errors = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115  (see `close`)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bpjax.bench.worker", self.role],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env=environment(self.role, self.suite, os.environ, self.precision),
            start_new_session=True,  # Ctrl-C is for us; we then end the worker
        )

    def ask(self, do: str, **words: Any) -> Any:
        """Send a request and await its answer.

        Raises:
          SettingError: if the worker refuses; setting, rule and value are its own.
          WorkerError: if it fails, ends or does not answer in time.
        """
        if self.lost:
            self.close()
            self._start()
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps({"do": do, **words}).encode() + b"\n")
            self.process.stdin.flush()
        except OSError:
            raise self._death() from None
        answer = self._await_line()
        if "refused" in answer:
            raise SettingError(*answer["refused"])
        if "failed" in answer:
            self.lost = not answer["well"]
            raise WorkerError(answer["failed"])
        return answer["ok"]

    def _await_line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        began, patience = time.monotonic(), PATIENCE[self.suite]
        while not select.select([self.process.stdout], [], [], SECONDS_BETWEEN_CHECKS)[0]:
            self.check()
            if patience is not None and time.monotonic() - began > patience:
                self.lost = True
                raise WorkerError(f"the {self.role} worker gave no answer in {patience:g} s")
        line = self.process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._death()
        return json.loads(line)

    def _death(self) -> WorkerError:
        self.lost = True
        code = self.process.wait()
        self.errors.seek(0)
        lines = [line.strip() for line in self.errors]
        said = [line for line in lines if line and not line.startswith(STACK)]
        last = textwrap.shorten(said[-1], 200, placeholder=" ...") if said else "it said nothing"
        how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
        return WorkerError(f"the {self.role} worker {how} before it had answered: {last}")

    def close(self) -> None:
        """End the worker, whatever it is doing."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.errors):
            with suppress(BrokenPipeError):  # of a request that was never read
                pipe.close()  # type: ignore[union-attr]


Workers = dict[str, Worker]


@contextmanager
def both_workers(
    suite: str, check: Callable[[], None], precision: str = "float32"
) -> Iterator[Workers]:
    """Start both workers for a `with` block, by role; they end with it."""
    workers: Workers = {}
    try:
        for role in (DEFAULT, ALL_CORES):
            workers[role] = Worker(role, suite, check, precision)
        yield workers
    finally:
        for worker in workers.values():
            worker.close()
