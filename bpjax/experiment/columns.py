"""Columns of cases from files: text, NumPy archives and Parquet, read with care.

Whatever a file says is checked before memory is taken for it: only regular files of a known size
are read, nothing in them is executed, and every fault names the file and the line.
"""

import csv
import io
import itertools
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bpjax.errors import ExperimentError, ResultsError, SettingError, shown
from bpjax.experiment.schema import MOST_NUMBERS
from bpjax.numbers import as_float
from bpjax.results.files import explained, read

MOST_BYTES = 2**28
"""Of a file of cases, and of what it holds."""


class Column(NamedTuple):
    """A column of cases.

    Attributes:
      name: what it is called.
      cells: numbers as a float64 array, or words as a list.
      group: the array that it is a part of, in a NumPy archive; else its name.
    """

    name: str
    cells: np.ndarray | list[str]
    group: str

    @property
    def is_words(self) -> bool:
        """Whether it holds words."""
        return isinstance(self.cells, list)


class Source(NamedTuple):
    """A file of cases: its name for sentences, and where the lines of its cases are.

    `lines` is None where the file has no lines: then cases are counted from 0.
    """

    file: str
    lines: Sequence[int] | None = None

    def place(self, case: int, column: str) -> str:
        """Return where a cell is, in words."""
        where = f"case {case}" if self.lines is None else f"line {self.lines[case]}"
        return f"{where}, column {shown(column)!r}"


def read_columns(path: Path, told: str, table: Mapping[str, Any]) -> tuple[Source, list[Column]]:
    """Return the columns of a file.

    Args:
      path: the file.
      told: what it is called in sentences.
      table: `[cases]` of the experiment file, which says how to read text.

    Raises:
      ExperimentError: if it cannot be read, or is not what its ending says.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ExperimentError(told, "", f"must end with one of {', '.join(_READERS)}")
    try:
        with explained("read", path):
            data = read(path, MOST_BYTES)
    except ResultsError as fault:
        cause = str(fault).rpartition("': ")[2].rstrip(".")
        raise ExperimentError(told, "", f"cannot be read: {cause}") from None
    try:
        source, columns = reader(told, data, table)
    except MemoryError:
        raise ExperimentError(told, "", "does not fit into the memory") from None
    if not columns or not len(columns[0].cells):
        raise ExperimentError(told, "", "must have a case")
    names = [column.name for column in columns]
    for name in names:
        if names.count(name) > 1:
            raise ExperimentError(told, "", "must not name a column twice", name)
    return source, columns


def inline_columns(told: str, key: str, rows: Sequence[Any]) -> tuple[Source, list[Column]]:
    """Return the columns of cases that stand in the experiment file itself.

    Raises:
      ExperimentError: if the rows differ in length.
    """
    source = Source(told)
    table = [list(row) if isinstance(row, tuple | list) else [row] for row in rows]
    for case, row in enumerate(table):
        if len(row) != len(table[0]) or not row:
            rule = f"must have {max(len(table[0]), 1)} entries in every row, and case {case} has"
            raise ExperimentError(told, f"`cases.{key}`", rule, len(row))
    columns = []
    for k, cells in enumerate(zip(*table, strict=True)):
        name = f"{key}[{k}]"
        columns.append(_typed(source, name, list(map(_text_or_number, cells))))
    return source, columns


def _text_or_number(cell: Any) -> Any:
    return float(cell) if isinstance(cell, bool | int | float) else cell


def _typed(source: Source, name: str, cells: list[Any]) -> Column:
    """Return a column of numbers or of words; a cell of the other kind is refused by its place."""
    numbers = [as_float(cell) if not isinstance(cell, str) else _number(cell) for cell in cells]
    odd = [case for case, number in enumerate(numbers) if number is None]
    if not odd:
        return Column(name, np.array(numbers), name)
    words = [cell if isinstance(cell, str) else f"{cell:g}" for cell in cells]
    for case in odd:
        if not words[case].strip() or _is_unfinite(words[case]):
            rule = "must be a finite number or a word, and is"
            raise ExperimentError(source.file, source.place(case, name), rule, words[case])
    if len(odd) < len(cells):
        rule = "must be a number, as another cell of the column is"
        raise ExperimentError(source.file, source.place(odd[0], name), rule, words[odd[0]])
    return Column(name, [word.strip() for word in words], name)


def _number(text: str) -> float | None:
    try:
        return as_float(float(text))
    except ValueError:
        return None


def _is_unfinite(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


# ---- text ----------------------------------------------------------------------------------------


def _text(told: str, data: bytes, table: Mapping[str, Any]) -> tuple[Source, list[Column]]:
    separator = table["separator"] or ("\t" if told.lower().endswith(".tsv") else ",")
    try:
        text = io.StringIO(data.decode("utf-8-sig"), newline="")
    except UnicodeDecodeError as fault:
        line = data[: fault.start].count(b"\n") + 1
        raise ExperimentError(told, f"line {line}", "must be text in UTF-8") from None
    skipped = table["skip"]
    try:
        lines = itertools.islice(text, skipped, None)
        reader = csv.reader(lines, delimiter=separator, strict=True)
    except (TypeError, ValueError):
        rule = "must be a character that can stand between cells"
        raise ExperimentError(told, "`separator`", rule, separator) from None
    rows = _rows(told, reader, skipped)
    first = next(rows, None)
    if first is None:
        raise ExperimentError(told, "", "must have a case")
    line, cells = first
    if table["header"]:
        names = [cell.strip() for cell in cells]
        _check_header(told, line, names)
    else:
        names = [str(k + 1) for k in range(len(cells))]
        rows = itertools.chain([first], rows)
    where, found = [], []
    for line, cells in rows:
        if len(cells) != len(names):
            raise ExperimentError(told, f"line {line}", f"must have {len(names)} cells", len(cells))
        where.append(line)
        found.append(cells)
        _check_size(told, len(found) * len(names))
    source = Source(told, where)
    by_column = zip(*found, strict=True)
    return source, [
        _typed(source, name, list(cells))
        for name, cells in zip(names, by_column, strict=bool(found))
    ]


def _rows(told: str, reader: Any, skipped: int) -> Iterator[tuple[int, list[str]]]:
    """Yield each line that is not empty, with its number in the file."""
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as fault:
            line = skipped + reader.line_num
            rule = f"must be cells with something between them ({shown(str(fault))})"
            raise ExperimentError(told, f"line {line}", rule) from None
        if row and any(cell.strip() for cell in row):
            yield skipped + reader.line_num, row


def _check_header(told: str, line: int, names: Sequence[str]) -> None:
    for name in names:
        if not name or _number(name) is not None:
            rule = "must name the columns; otherwise say `header = false` in [cases], or `skip = 1`"
            raise ExperimentError(told, f"line {line}", rule, name)


def _check_size(told: str, num_cells: int) -> None:
    if num_cells > MOST_NUMBERS:
        raise ExperimentError(told, "", f"must have at most {MOST_NUMBERS:,} cells", num_cells)


# ---- NumPy and Parquet ---------------------------------------------------------------------------


def _npz(told: str, data: bytes, table: Mapping[str, Any]) -> tuple[Source, list[Column]]:
    del table
    source, columns = Source(told), []
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > MOST_BYTES:
                raise ExperimentError(told, "", f"must hold at most {MOST_BYTES:,} bytes")
            arrays = {m.filename.removesuffix(".npy"): _array(archive.read(m)) for m in members}
    except (SettingError, MemoryError):
        raise
    except Exception:  # of other hands: numpy and zipfile raise many kinds
        raise ExperimentError(told, "", "must be a .npz of plain arrays") from None
    num_cases = len(next(iter(arrays.values()))) if arrays else 0
    for name, array in arrays.items():
        rule = f"must have one or two dimensions, and {num_cases} rows like the others"
        if array.ndim not in (1, 2) or len(array) != num_cases or array.dtype.kind not in "biufU":
            what = f"{array.dtype} of shape {array.shape}"
            raise ExperimentError(
                told, f"array {shown(name)!r}", f"{rule}, of numbers or text", what
            )
    _check_size(told, sum(array.size for array in arrays.values()))
    for name, array in arrays.items():
        parts = [array] if array.ndim == 1 else list(array.T)
        names = [name] if array.ndim == 1 else [f"{name}[{k}]" for k in range(len(parts))]
        for part_name, part in zip(names, parts, strict=True):
            column = _typed(
                source, part_name, part.tolist() if part.dtype.kind == "U" else _floats(part)
            )
            columns.append(column._replace(group=name))
    return source, columns


def _floats(part: np.ndarray) -> list[Any]:
    return part.astype(float).tolist()  # type: ignore[no-any-return]


def _array(data: bytes) -> np.ndarray:
    """Return an array whose header claims no more than there is."""
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[version]
    shape, _, dtype = read_header(file)
    size = dtype.itemsize
    for length in shape:
        size *= length
    if dtype.hasobject or size != len(data) - file.tell():
        raise ValueError
    return np.load(io.BytesIO(data), allow_pickle=False)  # type: ignore[no-any-return]


def _parquet(told: str, data: bytes, table: Mapping[str, Any]) -> tuple[Source, list[Column]]:
    del table
    try:
        from pyarrow import BufferReader, parquet
    except ImportError:
        raise ExperimentError(told, "", "needs pyarrow: pip install 'bpjax[parquet]'") from None
    source = Source(told)
    try:
        file = parquet.ParquetFile(BufferReader(data), page_checksum_verification=True)
        meta = file.metadata
        groups = range(meta.num_row_groups)
        if sum(meta.row_group(k).total_byte_size for k in groups) > MOST_BYTES:
            raise ExperimentError(told, "", f"must hold at most {MOST_BYTES:,} bytes")
        _check_size(told, meta.num_rows * meta.num_columns)
        found = file.read().to_pydict()
    except (SettingError, MemoryError):
        raise
    except Exception:  # of other hands: Arrow raises many kinds
        raise ExperimentError(told, "", "must be a Parquet file that is intact") from None
    columns = []
    for name, cells in found.items():
        for case, cell in enumerate(cells):
            if not isinstance(cell, bool | int | float | str):
                rule = "must be a number or a word"
                raise ExperimentError(told, source.place(case, name), rule, cell)
        columns.append(_typed(source, name, list(map(_text_or_number, cells))))
    return source, columns


_READERS: dict[str, Callable[..., tuple[Source, list[Column]]]] = {
    ".csv": _text,
    ".tsv": _text,
    ".txt": _text,
    ".npz": _npz,
    ".parquet": _parquet,
}
"""By the ending of a file, what reads it."""
TEXT_FILES = tuple(ending for ending, reader in _READERS.items() if reader is _text)
