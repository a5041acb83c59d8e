"""Weights to start at, from files: of a run, of a sweep that kept its weights, or one's own."""

import io
import os
import zipfile
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from bpjax.errors import ResultsError, SettingError
from bpjax.numbers import whole_number
from bpjax.results.files import explained, names_in, read
from bpjax.results.manifest import is_results_folder, is_run_folder
from bpjax.results.store import read_runs
from bpjax.run_folder import load_run
from bpjax.starts.given import Start

MOST_BYTES = 2**33
"""Of a file, and of what it holds."""


def read_start(path: str | PathLike[str], seed: int | None = None) -> Start:
    """Return weights to start at.

    Args:
      path: the folder of a run, or its `weights.npz`: the weights at its end. The folder of a sweep
        that kept its weights: those at the end of one run, or of all runs, which are then a table
        in the order of the seeds. Or a file of your own: `.npy` with a vector or a table, `.npz`
        with the array `weights`, and `names` if you like.
      seed: which run of a sweep, or which row of a table; None for all there are.

    Raises:
      ResultsError: if the file or folder cannot be read, or holds no weights.
      SettingError: for a seed that is not there.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     np.save(f"{folder}/start.npy", np.eye(9))
      ...     read_start(f"{folder}/start.npy").num_seeds
      9
    """
    path = Path(path)
    with explained("read", path):
        is_folder = path.is_dir()
    weights, names, seeds = _of_folder(path) if is_folder else _of_file(path)
    if seed is None:
        if seeds is not None and not np.array_equal(seeds, np.arange(len(seeds))):
            rule = f"must name a seed: those of {str(path)!r} are not 0, 1, 2, ..."
            raise SettingError("start", rule, seeds[:3].tolist())
        return Start(weights, names)
    if np.ndim(weights) != 2:
        rule = f"must name no seed: {str(path)!r} has one set of weights"
        raise SettingError("start", rule, seed)
    seeds = np.arange(len(weights)) if seeds is None else seeds
    row = np.flatnonzero(seeds == whole_number("start", seed, 0))
    if not len(row):
        raise SettingError("start", f"must name a seed that {str(path)!r} has weights of", seed)
    return Start(weights[row[0]], names)


def read_start_word(word: str, folder: str | PathLike[str] = "") -> Start:
    """Return weights to start at from `FILE` or `FILE:SEED`.

    Args:
      word: as `--start` takes it; a file whose own name ends so is that file.
      folder: where the file is looked for.

    Raises:
      SettingError: with what `read_start` has to say.
    """
    file, colon, seed = word.rpartition(":")
    try:
        has_seed = bool(colon) and seed.isdecimal() and not os.path.exists(Path(folder, word))
        path = Path(folder, file if has_seed else word)
        return read_start(path, int(seed) if has_seed else None)
    except ResultsError as fault:
        rule = f"must name weights to start at: {str(fault).rstrip('.')}"
        raise SettingError("start", rule, word) from None


Found = tuple[np.ndarray, Any, np.ndarray | None]
"""Weights, the names of the parameters, the seeds of the rows; None where they are not told."""


def _of_folder(path: Path) -> Found:
    names = names_in(path)
    if is_run_folder(names):
        run = load_run(path)
        return run.snapshots.weights[-1], run.weight_names, None
    if not is_results_folder(names):
        raise ResultsError(f"{str(path)!r} is no results folder.")
    table = read_runs(path, allow_partial=True)
    if "weights" not in table.columns:
        raise ResultsError(f"{str(path)!r} has no weights: sweep it with --keep-weights.")
    if len(table.identity["grid"]) or isinstance(table.identity["task"], list):
        raise ResultsError(f"{str(path)!r} has several runs of every seed: it is a grid.")
    order = np.argsort(table.columns["seed"])
    weights, seeds = table.columns["weights"][order], table.columns["seed"][order]
    return weights, table.identity["weight_names"], seeds


def _of_file(path: Path) -> Found:
    with explained("read", path):
        data = read(path, MOST_BYTES)
    try:
        if zipfile.is_zipfile(file := io.BytesIO(data)):
            with zipfile.ZipFile(file) as archive:
                if sum(member.file_size for member in archive.infolist()) > MOST_BYTES:
                    raise ValueError
        file.seek(0)
        found = np.load(file, allow_pickle=False)
        if isinstance(found, np.ndarray):
            return found, None, None
        weights = found["weights"]
        names = [str(name) for name in found["names"]] if "names" in found else None
        return (weights[-1] if "epoch" in found else weights), names, None
    except Exception:  # whatever NumPy and zlib say of what another hand has written
        raise ResultsError(
            f"{str(path)!r} holds no weights: it must be a .npy, or a .npz with `weights`."
        ) from None
