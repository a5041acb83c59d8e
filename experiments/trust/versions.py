"""P6 and P14: how far a run drifts between the oldest, a middle and the newest JAX.

Each version gets a virtual environment of its own in a temporary folder: the oldest with the oldest
Python that it supports, the others with the newest. The initial weights must be equal bit for bit;
losses may differ by rounding, and after long training a few runs by an epoch or more, but no
conclusion may.

    python -m experiments.trust.versions
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]

VERSIONS = {"oldest": "jax>=0.10,<0.11", "middle": "jax>=0.11,<0.12", "newest": "jax"}
NEEDED = ("optax", "numpy", "scipy", "jaxtyping", "matplotlib", "tyro", "jinja2")
INTERPRETERS = ("python3.11", "python3.12", "python3.13")

AFTER_ONE, AFTER_HUNDRED = 1e-5, 1e-4
"""Relative differences of losses: the largest after 1 epoch, all but 1 % of runs after 100."""


# ---- in a process of a version -------------------------------------------------------------------


def seen_here(seeds: int) -> dict[str, Any]:
    """Return initial weights, early losses and outcomes as this version of JAX computes them."""
    import jax

    import bpjax
    from bpjax.histories import loss_histories
    from bpjax.params import flatten_params

    found: dict[str, Any] = {"jax": jax.__version__, "python": sys.version.split()[0]}
    for task, count in ((bpjax.tasks.xor(), seeds), (bpjax.tasks.encoder(), max(seeds // 10, 8))):
        start = task.recipe.initializer.params_of
        weights = [
            np.asarray(flatten_params(task.network, start(task.network, np.uint32(seed), 0.3)))
            for seed in range(16)
        ]
        early = loss_histories(task, count, epochs=[1, 100], max_epochs=101, loss_below=1e-30)
        ended = bpjax.sweep(task, count)
        found[task.name] = {
            "weights": np.stack(weights).tobytes().hex(),
            "losses": early.loss.astype(float).tolist(),
            "status": ended["status"].tolist(),
            "epochs": ended["epochs"].tolist(),
            "summary": {
                key: ended.summary()[key] for key in ("success_rate", "epochs", "num_runs")
            },
        }
    return found


# ---- and what they make of it --------------------------------------------------------------------


def measure(full: bool) -> dict[str, Any]:
    """Hold the versions of JAX against the oldest of them.

    Without `full` nothing is installed: this version is held against itself in a fresh process.

    Returns:
      `tried` (comparisons), `failed`, `words`, and per version `found` or why it was left out.
    """
    seeds = 1000 if full else 100
    if not full:
        here = _in(Path(sys.executable), seeds)
        return _judged({"here": here, "again": _in(Path(sys.executable), seeds)}, {})
    seen, left_out = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for name, requirement in VERSIONS.items():
            try:
                python = _environment(Path(folder) / name, requirement)
                seen[name] = _in(python, seeds)
            except (OSError, subprocess.CalledProcessError, LookupError) as fault:
                said = getattr(fault, "stderr", "") or str(fault)
                left_out[name] = said.strip().splitlines()[-1][:200] if said.strip() else "unknown"
    return _judged(seen, left_out)


def _judged(seen: Mapping[str, Any], left_out: Mapping[str, str]) -> dict[str, Any]:
    first, *others = seen
    found, failed = [], 0
    for name in others:
        for task in ("xor", "encoder"):
            drift = drift_of(seen[first][task], seen[name][task])
            failed += not drift["holds"]
            between = f"{seen[first]['jax']} and {seen[name]['jax']}"
            found.append({"task": task, "between": between, **drift})
    worst = {key: max((d[key] for d in found), default=0.0) for key in ("after_1", "other_epochs")}
    versions = ", ".join(f"{v['jax']} on Python {v['python']}" for v in seen.values())
    words = (
        f"JAX {versions}: initial weights equal bit for bit, losses after 1 epoch within "
        f"{worst['after_1']:.1e}, at most {worst['other_epochs']:.1%} of runs ended at another "
        "epoch, all intervals overlap."
    )
    if failed:
        words = f"JAX {versions}: {failed} of {len(found)} comparisons failed."
    if left_out:
        words += " Left out: " + "; ".join(f"{name} ({why})" for name, why in left_out.items())
    return {
        "tried": len(found),
        "failed": failed + (not found),
        "words": words,
        "found": found,
        "left_out": dict(left_out),
    }


def drift_of(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return how far two versions are apart on one task, and whether that `holds`."""
    losses = np.array(old["losses"]), np.array(new["losses"])
    apart = np.abs(losses[0] - losses[1]) / np.abs(losses[0])
    after_1, after_100 = float(apart[:, 0].max()), float(np.quantile(apart[:, 1], 0.99))
    same_weights = old["weights"] == new["weights"]
    other = np.array(old["status"]) != np.array(new["status"])
    other |= np.array(old["epochs"]) != np.array(new["epochs"])
    overlap = all(
        _overlap(old["summary"][key], new["summary"][key]) for key in ("success_rate", "epochs")
    )
    close = after_1 <= AFTER_ONE and after_100 <= AFTER_HUNDRED
    return {
        "same_weights": same_weights,
        "after_1": after_1,
        "after_100": after_100,
        "other_epochs": float(other.mean()),
        "intervals_overlap": overlap,
        "holds": same_weights and close and overlap,
    }


def _overlap(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    ends = [
        (-np.inf if s["low"] is None else s["low"], np.inf if s["high"] is None else s["high"])
        for s in (one, other)
    ]
    return bool(max(low for low, _ in ends) <= min(high for _, high in ends))


def _environment(folder: Path, requirement: str) -> Path:
    """Return the Python of a new environment with a version of JAX that it supports."""
    fault: Exception = LookupError("there is no interpreter for it")
    for interpreter in _interpreters(oldest_first=requirement == VERSIONS["oldest"]):
        try:
            _done([str(interpreter), "-m", "venv", "--clear", str(folder)])
            python = folder / "bin" / "python"
            words = [str(python), "-m", "pip", "install", "--quiet", requirement, *NEEDED]
            _done(words)
            return python
        except (OSError, subprocess.CalledProcessError) as no:
            fault = no
    raise fault


def _interpreters(oldest_first: bool) -> Iterator[Path]:
    """Yield the interpreters there are, in order: on PATH, of pyenv, and this one."""
    found = {name: shutil.which(name) for name in INTERPRETERS}
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for name in INTERPRETERS if oldest_first else reversed(INTERPRETERS):
        of_pyenv = sorted(root.glob(f"{name.removeprefix('python')}.*/bin/python"), reverse=True)
        yield from of_pyenv[:1]
        if not of_pyenv and (on_path := found[name]):
            yield Path(on_path)
    yield Path(sys.executable)


def _in(python: Path, seeds: int) -> dict[str, Any]:
    command = [str(python), "-m", "experiments.trust.versions", "--here", str(seeds)]
    return json.loads(_done(command).stdout.splitlines()[-1])


def _done(command: Sequence[str]) -> Any:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("JAX_", "XLA_"))}
    environment = kept | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )


def main(words: Sequence[str]) -> None:
    """Print what was found as JSON; with `--here SEEDS`, what this version computes."""
    if words and words[0] == "--here":
        print(json.dumps(seen_here(int(words[1]))))
        return
    print(json.dumps(measure(full="--quick" not in words), indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
