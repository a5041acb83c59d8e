"""Measures one proof: `python -m experiments.trust.proof NAME FILE [--quick]`."""

import datetime
import importlib
import json
import os
import platform
import re
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from bpjax.version import __version__

VECTORS = (("avx512f", "AVX-512"), ("avx2", "AVX2"), ("avx", "AVX"), ("sse4_2", "SSE4.2"))


def measured(name: str, full: bool) -> dict[str, Any]:
    """Return a proof's record: what it measured, and when, where, how long and how again."""
    began = time.perf_counter()
    found = importlib.import_module(f"experiments.trust.{name}").measure(full)
    return found | {
        "seconds": round(time.perf_counter() - began, 1),
        "full": full,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "command": f"python -m experiments.trust --only {name}{'' if full else ' --quick'}",
        "versions": {"python": platform.python_version(), "bpjax": __version__}
        | {package: metadata.version(package) for package in ("jax", "jaxlib", "numpy")},
        "machine": machine(),
    }


def machine() -> str:
    """Return this machine in words."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    words = [f"{cores} core{'' if cores == 1 else 's'}", platform.machine()]
    cpu = Path("/proc/cpuinfo")
    features = re.findall(r"\w+", cpu.read_text()) if cpu.exists() else []
    return ", ".join(words + [label for name, label in VECTORS if name in features][:1])


def main(argv: list[str]) -> None:
    """Measure and write the record as JSON."""
    name, out, *rest = argv
    Path(out).write_text(json.dumps(measured(name, full="--quick" not in rest), allow_nan=False))


if __name__ == "__main__":
    main(sys.argv[1:])
