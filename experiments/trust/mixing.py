"""P8, P9 and P17: no resume mixes two sweeps, no reader counts a seed twice or misses one.

A folder is made by a small sweep; then the same sweep is asked for with one thing changed: every
setting, every field of what is stored about it, and what a user brings under the same words but
with another computation. Each must be refused by name, and leave every byte where it was.
"""

import copy
import dataclasses
import functools
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp

import bpjax
from bpjax.errors import ResultsError, SettingError
from bpjax.loss import HalfSquaredError
from bpjax.results.chunks import chunk_name
from bpjax.results.identity import as_stored
from bpjax.results.store import SweepFolder, read_runs
from bpjax.starts.initial import Initializer
from bpjax.sweeps.planning import make_plan
from experiments.trust import suite

SEEDS = 30
SETTINGS: dict[str, Any] = {
    "precision": "float64",
    "implementation": "matrix",
    "block_size": 64,
    "keep_weights": True,
    "summary_only": True,
    "shard": (1, 2),
    "learning_rate": 0.3,
    "momentum": 0.8,
    "weight_decay": 0.001,
    "init_range": 0.4,
    "max_epochs": 41,
    "tolerance": 0.4,
    "loss_below": 0.1,
    "optimizer": "adam",
    "updates": "case",
}
"""Of a sweep, each with a value that it does not have."""
OPTIONS = ({"hidden": 3}, {"direct": True}, {"off": 0.1}, {"on": 0.9})


def measure(full: bool) -> dict[str, Any]:
    """Change one thing at a time."""
    found: dict[str, str] = {}
    counts = {}
    with tempfile.TemporaryDirectory() as place:
        for kind, attacks in (
            ("settings", _settings),
            ("stored fields", _fields),
            ("computations under the same words", _computations),
            ("wrong sets of folders and chunks", _sets),
        ):
            names = []
            for name, fault in attacks(Path(place) / kind.replace(" ", "-"), full):
                names.append(name)
                if fault:
                    found[f"{kind}: {name}"] = fault
            counts[kind] = len(names)
    told = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    return {
        "tried": sum(counts.values()),
        "failed": len(found),
        "words": f"One thing changed at a time ({told}): {sum(counts.values()) - len(found)} are "
        f"refused by name before a byte moves, {len(found)} are not.",
        "off": found,
    }


def _sweep(out: Path, task: Any = None, **settings: Any) -> Any:
    common = {"max_epochs": 40} | settings
    return bpjax.sweep(task or bpjax.tasks.xor(), SEEDS, out=out, **common)


def _refused(out: Path, again: Callable[[], Any], *names: str) -> str:
    """Return what is wrong with how something is refused; nothing if all is well."""
    before = _bytes_of(out)
    try:
        again()
    except ResultsError as refusal:
        if not any(name in str(refusal) for name in names):
            return f"without a name: {str(refusal)[:200]}"
        return "" if _bytes_of(out) == before else "and bytes moved"
    return "is accepted"


def _bytes_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _settings(folder: Path, full: bool) -> Iterator[tuple[str, str]]:
    _sweep(folder)
    for name, value in SETTINGS.items():
        again = functools.partial(_sweep, folder, **{name: value})
        yield name, _refused(folder, again, "`")
    for option in OPTIONS:
        task = bpjax.tasks.xor(**option)  # type: ignore[arg-type]
        yield str(option), _refused(folder, functools.partial(_sweep, folder, task), "`task")


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list) and value:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from _leaves(inner, (*path, key))
    else:
        yield path


def _fields(folder: Path, full: bool) -> Iterator[tuple[str, str]]:
    _sweep(folder)
    identity = as_stored(make_plan(bpjax.tasks.xor(), SEEDS, max_epochs=40).identity())
    paths = [path for path in _leaves(identity) if path[0] not in ("seeds", "runs")]
    for path in paths if full else paths[::8]:
        name = ".".join(map(str, path))
        yield (
            name,
            _refused(folder, functools.partial(_open, folder, _changed(identity, path)), name),
        )


def _changed(identity: Mapping[str, Any], path: tuple[Any, ...]) -> dict[str, Any]:
    changed: Any = copy.deepcopy(dict(identity))
    holder = changed
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = f"not {holder[path[-1]]}"
    return changed


def _open(folder: Path, identity: dict[str, Any]) -> None:
    with SweepFolder.open_for_writing(folder, identity, {}):
        pass


# ---- what a user brings --------------------------------------------------------------------------


def _loss(power: int) -> Any:
    @dataclasses.dataclass(frozen=True)
    class Loss(HalfSquaredError):
        """Another power of the error, under one and the same name."""

        def value(self, outputs: Any, targets: Any) -> Any:
            return jnp.sum(jnp.abs(outputs - targets) ** power) / power

        def derivative(self, outputs: Any, targets: Any) -> Any:
            error = outputs - targets
            return jnp.sign(error) * jnp.abs(error) ** (power - 1)

    return Loss()


def _initializer(factor: float) -> Any:
    @dataclasses.dataclass(frozen=True)
    class Start(Initializer):
        """Other weights, under one and the same name."""

        def params_of(self, *words: Any) -> Any:
            params = super().params_of(*words)
            weight = {key: entry * factor for key, entry in params.weight.items()}
            return params._replace(weight=weight)

    return Start()


def _computations(folder: Path, full: bool) -> Iterator[tuple[str, str]]:
    """Swap what a user brought for another computation; the same one, made anew, must resume."""
    plain = bpjax.tasks.xor()

    def with_initializer(factor: float) -> Any:
        recipe = dataclasses.replace(plain.recipe, initializer=_initializer(factor))
        return dataclasses.replace(plain, recipe=recipe)

    brought: dict[str, tuple[Callable[[Any], Any], Any, Any]] = {
        "a loss": (lambda power: dataclasses.replace(plain, loss=_loss(power)), 4, 6),
        "an initializer": (with_initializer, 1.0, 0.5),
    }
    for name, (make, one, other) in brought.items():
        here = folder / name.replace(" ", "-")
        _sweep(here, make(one))
        yield f"{name}, another", _refused(here, lambda: _sweep(here, make(other)), "`")  # noqa: B023
        try:
            _sweep(here, make(one))
            yield f"{name}, the same again", ""
        except (ResultsError, SettingError) as refusal:
            yield f"{name}, the same again", f"is refused: {refusal}"


# ---- every seed once -----------------------------------------------------------------------------


def _sets(folder: Path, full: bool) -> Iterator[tuple[str, str]]:
    """Read too little, too much, and files under the names of others."""
    parts = [folder / f"part-{k}" for k in (1, 2, 3)]
    for k, part in enumerate(parts, 1):
        _sweep(part, shard=(k, 3))
    whole = folder / "whole"
    _sweep(whole)
    one, two, three = parts
    again = folder / "again"
    shutil.copytree(two, again)
    yield "a shard is missing", _refused(folder, lambda: read_runs(one, three), "10 to 19")
    yield "a shard twice", _refused(folder, lambda: read_runs(one, two, again, three), "10 to 19")
    yield "a shard and the whole", _refused(folder, lambda: read_runs(one, whole), "")
    for words, paths in (("missing", (one, three)), ("twice", (one, two, again, three))):
        out = folder / f"{words}.csv"
        ended = suite.bpjax("export", *paths, "--out", out)
        clear = ended.code != 0 and not ended.traceback and "10 to 19" in ended.err
        yield f"export, a shard {words}", "" if clear and not out.exists() else ended.err or "done"
    for name, change in (
        ("no chunk", lambda chunks: [chunk.unlink() for chunk in chunks]),
        ("a chunk of another shard", lambda chunks: _swap(chunks, two)),
        ("a chunk under another range", lambda chunks: _rename(chunks)),
    ):
        spoilt = folder / "spoilt"
        shutil.copytree(one, spoilt)
        change(sorted((spoilt / "chunks").glob("*.npz")))
        yield name, _refused(spoilt, lambda: read_runs(spoilt, two, three), "")  # noqa: B023
        ended = suite.bpjax("verify", spoilt)
        yield f"verify, {name}", "" if ended.code == 1 and not ended.traceback else ended.err
        shutil.rmtree(spoilt)
    read_runs(*parts)


def _swap(chunks: list[Path], other: Path) -> None:
    for chunk, foreign in zip(chunks, sorted((other / "chunks").glob("*.npz")), strict=True):
        shutil.copy(foreign, chunk)


def _rename(chunks: list[Path]) -> None:
    for chunk in chunks:
        start, stop = (int(part) for part in chunk.stem.split("-")[-2:])
        chunk.rename(chunk.with_name(chunk_name(start + 1, stop + 1)))
