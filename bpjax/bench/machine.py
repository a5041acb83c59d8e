"""What a bench runs on, and when: as far as a process without JAX can tell. Nothing here fails."""

import os
import platform
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bpjax.version
from bpjax.version import __version__

PATIENCE = 10.0
"""Seconds in which git must answer."""


def machine() -> dict[str, Any]:
    """Return what the bench runs on; null for what the system does not tell."""
    return {
        "cpu_model": _cpu_model(),
        "num_cores": _num_cores(),
        "memory_bytes": memory_bytes(),
        "system": _system(),
        "python": platform.python_version(),
        "bpjax": __version__,
        "commit": commit(Path(bpjax.version.__file__).parent),
    }


def _system() -> str:
    """Return system, version and architecture, without what a kernel is called by its maker."""
    version = ".".join(platform.release().partition("-")[0].split(".")[:2])
    return f"{platform.system()} {version} {platform.machine()}"


def now() -> str:
    """Return date and time, UTC, to the second: "2026-11-29T01:02:03Z"."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def load() -> list[float] | None:
    """Return how many processes wanted to run, on average over 1, 5 and 15 minutes."""
    try:
        return list(os.getloadavg())
    except (AttributeError, OSError):
        return None


def memory_bytes() -> int | None:
    """Return the memory of the machine."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def commit(package: Path) -> str | None:
    """Return the commit of a package in a git checkout of its own; "-dirty" behind it if changed.

    Args:
      package: its folder, right under the root of the checkout. One that is installed somewhere
        inside of another repository is not that repository's.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    words = {"capture_output": True, "text": True, "timeout": PATIENCE, "check": True}

    def git(*asked: str) -> str:
        command = ["git", "-C", str(package), *asked]
        return subprocess.run(command, env=own, **words).stdout.strip()  # type: ignore[call-overload]

    with suppress(OSError, ValueError, subprocess.SubprocessError):
        if Path(git("rev-parse", "--show-toplevel")).samefile(package.parent):
            git("ls-files", "--error-unmatch", "__init__.py")
            return git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    return None


def _num_cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS has no affinity
        return os.cpu_count() or 1


def _cpu_model() -> str:
    if sys.platform == "linux":
        try:
            with open("/proc/cpuinfo", encoding="utf-8") as lines:
                names = [line.split(":", 1)[1] for line in lines if line.startswith("model name")]
        except OSError:
            names = []
        if names:
            return names[0].strip()
    return platform.processor() or platform.machine()
