"""What proofs share: the tests of this repository as a judge, and bpjax's command line, watched."""

import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from xml.etree import ElementTree

from bpjax.cli import main

ROOT = Path(__file__).parents[2]
ENVIRONMENT = dict(os.environ)
"""As this process was started: a command that runs in it sets XLA's flags, which are its own."""


class Verdict(NamedTuple):
    """How many tests ran, and the names of those that failed."""

    tests: int
    failed: tuple[str, ...]


def judged(
    *words: str,
    at: Path = ROOT,
    seconds: float = 600,
    env: Mapping[str, str] = MappingProxyType({}),
) -> Verdict:
    """Run tests of the repository (or of a copy of it) and count; none found is a failure."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "junit.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        own = {"PYTHONPATH": str(at), "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            done = subprocess.run(
                [*command, f"--junitxml={out}", *words],
                cwd=at,
                env=os.environ | own | dict(env),
                capture_output=True,
                text=True,
                timeout=seconds,
            )
        except subprocess.TimeoutExpired:
            return Verdict(1, ("did not end",))
        cases = list(ElementTree.parse(out).iter("testcase")) if out.exists() else []
    bad = [
        c.get("name", "")
        for c in cases
        if c.find("failure") is not None or c.find("error") is not None
    ]
    if not cases or (done.returncode and not bad):
        bad.append(f"pytest ended with code {done.returncode}: {done.stdout[-300:]}")
    return Verdict(len(cases), tuple(bad))


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def traceback(self) -> bool:
        """Whether it showed its inside: a traceback, or an abort of the C++ below."""
        return bool(re.search(r"Traceback|\bFatal|terminate called", self.out + self.err))

    def sentences(self) -> list[str]:
        """Return the lines of standard error that a user must read."""
        return [line for line in self.err.splitlines() if line.strip()]


def bpjax(*words: str | Path, seconds: float = 300, **how: Any) -> Ended:
    """Run a command of bpjax; `how` goes to `subprocess.run`, `env` is added to the environment."""
    changed: Mapping[str, str] = how.pop("env", {})
    environment = {k: v for k, v in {**ENVIRONMENT, **changed}.items() if v != UNSET}
    environment["PYTHONPATH"] = str(ROOT)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | how
    done = subprocess.run(
        command_line(*words), env=environment, text=True, timeout=seconds, **streams
    )
    return Ended(done.returncode, done.stdout or "", done.stderr or "")


def bpjax_here(*words: str | Path) -> Ended:
    """Run a command of bpjax in this process, undisturbed: no start, nothing compiled twice."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(list(map(str, words)))
    return Ended(code, out.getvalue(), err.getvalue())


UNSET = "\0unset"


def command_line(*words: str | Path) -> Sequence[str]:
    """Return the command of `bpjax WORDS`."""
    return [sys.executable, "-m", "bpjax.cli", *map(str, words)]
