"""The per-run table for other programs: CSV for everyone, Parquet for large tables."""

import io
import math
from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from bpjax.errors import ResultsError, SettingError
from bpjax.results import files
from bpjax.results.store import RunTable
from bpjax.status import Status

_ROWS_AT_ONCE = 65_536
"""Rows turned into text together: bounds the memory, does not show in the file."""


def export_table(table: RunTable, file: str | PathLike[str], format: str = "csv") -> None:
    """Write a table of runs, one row each, whole or not at all.

    Outcomes are written by name. A column with several numbers per run, like `weights`, becomes one
    column per number. Floats have the fewest digits that read back as the same number of their
    type.

    Args:
      table: the runs.
      file: the file to write; an older one is replaced.
      format: `csv` or `parquet`.

    Raises:
      SettingError: if the format is another one.
      ResultsError: if the file cannot be written, or pyarrow is not there for `parquet`.
    """
    files.publish(Path(file), table_bytes(table, format))


def format_of(file: str | None, asked: str | None) -> str:
    """Return the format of a file: the one asked for, or what its name ends in, or else csv.

    Raises:
      SettingError: for a format that there is not, or one that the name of the file contradicts.

    Example:
      >>> format_of("runs.parquet", None), format_of("-", "parquet"), format_of(None, None)
      ('parquet', 'parquet', 'csv')
    """
    if asked is not None and asked not in _FORMATS:
        raise SettingError("format", f"must be one of {', '.join(_FORMATS)}", asked, _FORMATS)
    ending = Path(file or "").suffix[1:].lower()
    named = ending if ending in _FORMATS else None
    if asked and named and named != asked:
        raise SettingError("format", f"must be {named} where the file is named {ending}", asked)
    return asked or named or "csv"


def table_bytes(table: RunTable, format: str = "csv") -> bytes:
    """Return what `export_table` writes; arguments and errors likewise."""
    if format not in _FORMATS:
        raise SettingError("format", f"must be one of {', '.join(_FORMATS)}", format, _FORMATS)
    return _FORMATS[format](flat_columns(table))


def flat_columns(table: RunTable) -> dict[str, np.ndarray]:
    """Return the table's columns with one value per run each, outcomes by name.

    Raises:
      ResultsError: if a status is no outcome of `bpjax.status.Status`, or `weight_names` are not as
        many as the weights.
    """
    flat: dict[str, np.ndarray] = {}
    for name, column in table.columns.items():
        if name == "status":
            flat[name] = _status_names(column)
        elif column.ndim == 1:
            flat[name] = column
        else:
            spread = column.reshape(len(column), math.prod(column.shape[1:])).T
            flat.update(zip(_spread_names(table, name, len(spread)), spread, strict=True))
    return flat


def _status_names(codes: np.ndarray) -> np.ndarray:
    unknown = set(np.unique(codes).tolist()) - (set(Status) - {Status.RUNNING})
    if unknown:
        raise ResultsError(f"column 'status' holds {min(unknown)}, which is no outcome.")
    names = np.array([Status(code).name for code in range(len(Status))])
    return names[codes]


def _spread_names(table: RunTable, name: str, width: int) -> list[str]:
    names = table.identity.get("weight_names") if name == "weights" else None
    if names is None:
        return [f"{name}_{i}" for i in range(width)]
    if len(names) != width:
        raise ResultsError(
            f"`weight_names` of the sweep are {len(names)}, column 'weights' has {width}."
        )
    return list(names)


# ---- CSV ----------------------------------------------------------------------------------------


def _csv(columns: dict[str, np.ndarray]) -> bytes:
    return b"".join(_csv_pieces(columns))


def _csv_pieces(columns: dict[str, np.ndarray]) -> Iterator[bytes]:
    yield b",".join(map(_cell, columns)) + b"\n"
    num_rows = len(next(iter(columns.values())))
    for start in range(0, num_rows, _ROWS_AT_ONCE):
        block = [_cells(column[start : start + _ROWS_AT_ONCE]) for column in columns.values()]
        yield b"\n".join(map(b",".join, zip(*block, strict=True))) + b"\n"


def _cells(column: np.ndarray) -> list[bytes]:
    if column.dtype.kind in "iufb":  # numpy prints floats with the fewest digits, as `repr` does
        return column.astype("S32").tolist()
    texts, places = np.unique(column, return_inverse=True)  # settings and outcomes: a few of them
    return np.array([_cell(text) for text in texts.tolist()])[places].tolist()


def _cell(value: Any) -> bytes:
    text = str(value)
    if any(character in text for character in ',"\r\n'):
        text = '"' + text.replace('"', '""') + '"'
    return text.encode()


# ---- Parquet ------------------------------------------------------------------------------------


def _parquet(columns: dict[str, np.ndarray]) -> bytes:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ResultsError(
            "Parquet needs pyarrow; install it with: pip install 'bpjax[parquet]'"
        ) from None
    buffer = io.BytesIO()
    arrays = [pyarrow.array(np.ascontiguousarray(column)) for column in columns.values()]
    pyarrow.parquet.write_table(
        pyarrow.table(arrays, names=list(columns)),
        buffer,
        write_page_checksum=True,  # Parquet's default notices no flipped bit
    )
    return buffer.getvalue()


_FORMATS: dict[str, Callable[[dict[str, np.ndarray]], bytes]] = {"csv": _csv, "parquet": _parquet}
