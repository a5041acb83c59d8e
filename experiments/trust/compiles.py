"""P12: a long sweep, stopped and resumed, compiles one training program, and memory stays flat."""

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

import bpjax

MEBIBYTE = 2**20
NOISE = 24 * MEBIBYTE
"""Allocators keep what they were given: two equal sweeps differ by up to half of this."""
STATUS = Path("/proc/self/status")


def measure(full: bool) -> dict[str, Any]:
    """Count the programs compiled by a sweep with its resumes, then watch the memory of another."""
    programs, stops = _compiled(20 if full else 3)
    runs = 20_000_000 if full else 400_000
    early, late = _memory(runs)
    grown = max(0, late - early)
    return {
        "tried": 2,
        "failed": int(programs != 1) + int(grown >= NOISE),
        "words": f"A grid of 12 points that was stopped {stops} times compiled {programs} training "
        f"program; over {runs:,} runs resident memory grew by {grown / MEBIBYTE:.1f} MiB, from "
        f"{early / MEBIBYTE:.0f} MiB after a tenth of them.",
        "programs": programs,
        "stops": stops,
        "bytes": [early, late],
    }


class Stopped(Exception):
    """Ends a session, as Ctrl-C would."""


def _compiled(most: int) -> tuple[int, int]:
    """Return how many training programs a sweep of several sessions compiled, and its stops."""
    task = bpjax.tasks.xor(hidden=5).with_settings(max_epochs=400)
    compiled: list[str] = []

    def note(event: str, duration_secs: float, **about: str | int) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            compiled.append(str(about["fun_name"]))

    jax.monitoring.register_event_duration_secs_listener(note)
    stops = 0
    grid: dict[str, Any] = {
        "learning_rate": [0.5, 1.0, 2.0],
        "init_range": [0.5, 1.0],
        "tolerance": [0.4, 0.5],
    }

    def stop(progress: Any) -> None:
        if progress.runs_made:
            raise Stopped

    with tempfile.TemporaryDirectory() as folder:
        for _ in range(most):
            with contextlib.suppress(Stopped):
                bpjax.sweep(task, 500, out=folder, progress=stop, **grid)
                break
            stops += 1
        bpjax.sweep(task, 500, out=folder, **grid)
    return compiled.count("jit(advance)"), stops


def _memory(runs: int) -> tuple[int, int]:
    """Return the resident bytes of this process after a tenth of many runs, and at the end."""
    seen: list[tuple[int, int]] = []
    watch: Callable[[Any], None] = lambda at: seen.append((at.done, _resident()))  # noqa: E731
    bpjax.sweep(bpjax.tasks.xor(), runs, max_epochs=20, summary_only=True, progress=watch)
    early = next(size for done, size in seen if done >= runs / 10)
    return early, seen[-1][1]


def _resident() -> int:
    lines = STATUS.read_text().splitlines() if STATUS.exists() else ["VmRSS: 0 kB"]
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))
