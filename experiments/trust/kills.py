"""P2: SIGKILL at random moments of real sweeps, over and over; then the same bytes.

A session of `bpjax sweep` is killed at a moment drawn evenly from its whole length, from the first
import to the last figure, and begun again in the same folder, until one comes to its end. After
every kill the folder is read: no damaged file, every run that was there still there, none twice.
The finished table is that of a sweep that nothing disturbed, byte for byte.

What a kill costs is measured too: runs that had ended and were not yet stored, and the seconds
since the first of them ended. Here what has ended is stored more often than usual, so that many
kills strike the storing; a few sessions of a long sweep are killed with the interval that users
have.
"""

import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bpjax.results.chunks import every_run
from bpjax.results.export import table_bytes
from bpjax.results.store import SweepFolder, read_runs
from experiments.trust.suite import ENVIRONMENT, ROOT, bpjax, bpjax_here

EVERY = 0.2
"""Seconds between two chunks of the sweeps that are killed in all phases."""
USUAL = 10.0
XOR = ("xor", "--max-epochs", "300", "--first-seed", "7")
GRID = ("--learning-rate", "0.5", "1", "2", "--momentum", "0.8", "0.9")
SWEEPS = {
    "rows and figures": (*XOR, "--seeds", "40000"),
    "weights": (*XOR, "--seeds", "40000", "--keep-weights", "--no-figures"),
    "counts": (*XOR, "--seeds", "40000", "--summary-only", "--no-figures"),
    "grid": (*XOR, "--seeds", "5000", *GRID, "--no-figures"),
    "grid of counts": (*XOR, "--seeds", "5000", *GRID, "--summary-only", "--no-figures"),
    "shard": (*XOR, "--seeds", "90000", "--shard", "2/2", "--no-figures"),
}
LONG = ("xor", "--max-epochs", "300", "--seeds", "100000000", "--no-figures")
PROGRAM = """
import os, sys
from bpjax.sweeps import host_loop
from bpjax.cli import main
host_loop.SECONDS_PER_CHUNK = float(sys.argv[1])
after_call = host_loop._Meter.after_call
def told(meter, *done):
    before = meter.runs_done
    after_call(meter, *done)
    if meter.runs_done > before:
        os.write(1, b"ended %d\\n" % meter.runs_done)
host_loop._Meter.after_call = told
sys.exit(main(sys.argv[2:]))
"""
"""Tells after every call of the training program how many runs have ended."""


class Killed(NamedTuple):
    """What a kill cost: runs that had ended and are not stored, and the seconds since."""

    runs: int
    seconds: float


def measure(full: bool) -> dict[str, Any]:
    """Kill sweeps of every kind, and a long one with the usual interval."""
    dice = random.Random(1986)
    num_kills = 300 if full else 24
    faults: list[str] = []
    killed: list[Killed] = []
    finished = 0
    with tempfile.TemporaryDirectory() as folder:
        for number, (kind, words) in enumerate(SWEEPS.items()):
            share = num_kills * (number + 1) // len(SWEEPS) - num_kills * number // len(SWEEPS)
            here = Path(folder) / kind.replace(" ", "-")
            here.mkdir()
            found, rounds = _killed_over_and_over(here, words, share, dice, faults)
            killed += found
            finished += rounds
        usual = [
            _kill(Path(folder) / f"usual-{k}", USUAL, LONG, dice.uniform(15, 40), faults)
            for k in range(4 if full else 1)
        ]
    seconds, runs = ([getattr(kill, name) for kill in killed] for name in ("seconds", "runs"))
    long = [kill for kill in usual if kill is not None]
    worst = max((kill.seconds for kill in long), default=0.0)
    return {
        "tried": len(killed) + len(long),
        "failed": len(faults),
        "words": f"{len(killed)} SIGKILLs over all phases of {len(SWEEPS)} kinds of sweep, "
        f"{finished} of them resumed to the end: {len(faults)} faults; nothing stored was lost, no "
        f"run there twice, and the same bytes in the end. Storing every {EVERY:g} s, a kill cost "
        f"{np.median(seconds):.2f} s of ended runs at the median, {max(seconds):.2f} s at most "
        f"({np.median(runs):,.0f} and {max(runs):,} runs); with the usual {USUAL:g} s, "
        f"{worst:.1f} s at most in {len(long)} kills.",
        "off": faults,
        "cost": {
            "median_seconds": float(np.median(seconds)),
            "most_seconds": max(seconds),
            "median_runs": float(np.median(runs)),
            "most_runs": max(runs),
            "usual": [kill._asdict() for kill in long],
        },
    }


def _killed_over_and_over(
    here: Path, words: tuple[str, ...], num_kills: int, dice: random.Random, faults: list[str]
) -> tuple[list[Killed], int]:
    """Return what each kill cost, and how many sweeps came to their end between them."""
    began = time.monotonic()
    ended = bpjax("sweep", *words, "--out", here / "whole")
    assert ended.code == 0, ended.err
    length = time.monotonic() - began
    expected, rounds = _table(here / "whole"), 0
    killed: list[Killed] = []
    while len(killed) < num_kills:
        path = here / f"killed-{rounds}"
        for _ in range(dice.randint(1, 8)):
            found = _kill(path, EVERY, words, dice.uniform(0, length), faults)
            if found is None:
                break
            killed.append(found)
        ended = bpjax_here("sweep", *words, "--out", path)
        rounds += 1
        if ended.code:
            faults.append(f"{path.name}: the resume ended with {ended.code}: {ended.err[-200:]}")
        elif _table(path) != expected:
            faults.append(f"{path.parent.name}/{path.name}: other bytes")
    return killed, rounds


def _kill(
    path: Path, every: float, words: tuple[str, ...], moment: float, faults: list[str]
) -> Killed | None:
    """Kill one session and look at the folder; None if it ended before."""
    before = _held(path, faults)
    began, told = time.monotonic(), [(0.0, len(before))]
    command = [sys.executable, "-c", PROGRAM, str(every), "sweep", *words, "--out", str(path)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env=ENVIRONMENT,
    ) as process:
        timer = threading.Timer(moment, process.kill)
        timer.start()
        assert process.stdout is not None
        for line in process.stdout:
            if match := re.fullmatch(r"ended (\d+)\n", line):
                told.append((time.monotonic() - began, int(match[1])))
        process.wait()
        timer.cancel()
        stopped = time.monotonic() - began
    if process.returncode == 0:
        return None
    if process.returncode > 0:
        faults.append(f"{path}: a session ended with {process.returncode}")
    held = _held(path, faults)
    if lost := len(np.setdiff1d(before, held)):
        faults.append(f"{path}: {lost} runs are lost")
    unstored = [when for when, runs in told if runs > len(held)]
    num_ended = max(runs for _, runs in told)
    return Killed(max(0, num_ended - len(held)), stopped - unstored[0] if unstored else 0.0)


def _held(path: Path, faults: list[str]) -> np.ndarray:
    """Return the runs of a folder, and note what is wrong with it."""
    if not (path / "sweep.json").exists():
        return np.array([], np.int64)
    survey = SweepFolder.open_for_reading(path).survey()
    faults += [f"{fault.path}: {fault.reason}" for fault in survey.damaged]
    return np.concatenate(
        [np.array([], np.int64), *(every_run(chunk.runs) for chunk in survey.intact)]
    )


def _table(path: Path) -> bytes:
    return table_bytes(read_runs(path), "csv")
