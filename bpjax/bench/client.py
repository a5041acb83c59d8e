"""The other end of a worker: starts it, asks it, and never leaves it behind."""

import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from bpjax.bench.sizes import ALL_CORES, DEFAULT
from bpjax.errors import SettingError

SECONDS_BETWEEN_CHECKS = 0.1
JAX_SETTINGS = ("XLA_FLAGS", "JAX_NUM_CPU_DEVICES", "JAX_ENABLE_X64", "JAX_PLATFORMS")
"""What a user may have set for JAX; a worker with default settings has none of it."""


class WorkerError(RuntimeError):
    """A worker ended before it had answered; the sentence says which, how, and its last words."""


def environment(role: str, suite: str, given: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a worker.

    Args:
      role: `DEFAULT` or `ALL_CORES`; the second keeps the user's flags, as the command line does.
      suite: "cpu" keeps JAX to the CPU; "gpu" lets it choose, and lets two workers share a card.
      given: the environment of this process.

    Example:
      >>> environment("default", "cpu", {"HOME": "/", "XLA_FLAGS": "--some_flag"})
      {'HOME': '/', 'JAX_PLATFORMS': 'cpu'}
    """
    dropped = JAX_SETTINGS if role == DEFAULT else JAX_SETTINGS[2:]
    kept = {name: value for name, value in given.items() if name not in dropped}
    if suite == "cpu":
        return kept | {"JAX_PLATFORMS": "cpu"}
    return kept | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}


class Worker:
    """A running worker.

    Args:
      role: `DEFAULT` or `ALL_CORES`.
      suite: "cpu" or "gpu".
      check: called while an answer is awaited; raises to stop.
    """

    def __init__(self, role: str, suite: str, check: Callable[[], None]):
        self.role, self.check = role, check
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  (closed by `close`)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bpjax.bench.worker", role],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env=environment(role, suite, os.environ),
            start_new_session=True,  # Ctrl-C is for us; we then end the worker
        )

    def ask(self, do: str, **words: Any) -> Any:
        """Send a request and await its answer.

        Raises:
          SettingError: if the worker refuses; setting, rule and value are its own.
          WorkerError: if the worker ends instead.
        """
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps({"do": do, **words}).encode() + b"\n")
            self.process.stdin.flush()
        except OSError:
            raise self._death() from None
        answer = self._await_line()
        if "refused" in answer:
            raise SettingError(*answer["refused"])
        return answer["ok"]

    def _await_line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        while not select.select([self.process.stdout], [], [], SECONDS_BETWEEN_CHECKS)[0]:
            self.check()
        line = self.process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._death()
        return json.loads(line)

    def _death(self) -> WorkerError:
        code = self.process.wait()
        self.errors.seek(0)
        last = ([line.strip() for line in self.errors if line.strip()] or ["it said nothing"])[-1]
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
def both_workers(suite: str, check: Callable[[], None]) -> Iterator[Workers]:
    """Start both workers for a `with` block, by role; they end with it."""
    workers: Workers = {}
    try:
        for role in (DEFAULT, ALL_CORES):
            workers[role] = Worker(role, suite, check)
        yield workers
    finally:
        for worker in workers.values():
            worker.close()
