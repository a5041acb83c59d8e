"""Tables for other programs: bytes by hand, round trips of every float, Parquet with checksums."""

import csv
import errno
import io
import os
import sys
import time

import numpy as np
import pytest

from bpjax.errors import ResultsError, SettingError
from bpjax.results import export, files
from bpjax.results.export import export_table, flat_columns
from bpjax.results.store import RunTable

TABLE = RunTable(
    {"task": "xor"},
    {
        "seed": np.array([0, 1, 2**32 - 1], np.uint32),
        "status": np.array([1, 2, 3], np.uint8),
        "epochs": np.array([558, 100_000, 7], np.int32),
        "loss": np.array([0.1, 1 / 3, np.nan], np.float32),
        "learning_rate": np.array([0.1, 1e-7, np.inf]),
        "optimizer": np.array(["paper", 'say "adam"', "a,b"]),
        "weights": np.array([[0.5, -0.0], [1e16, 1e-5], [123456789.0, 3.4e38]], np.float32),
    },
)
CSV = b"""\
seed,status,epochs,loss,learning_rate,optimizer,weights_0,weights_1
0,CONVERGED,558,0.1,0.1,paper,0.5,-0.0
1,MAX_EPOCHS,100000,0.33333334,1e-07,"say ""adam\""",1e+16,1e-05
4294967295,NONFINITE,7,nan,inf,"a,b",1.2345679e+08,3.4e+38
"""


def exported(tmp_path, table, format="csv"):
    export_table(table, tmp_path / "table", format)
    return (tmp_path / "table").read_bytes()


def test_csv_byte_for_byte(tmp_path):
    assert exported(tmp_path, TABLE) == CSV


def test_csv_reads_back_with_the_standard_library(tmp_path):
    rows = list(csv.DictReader(io.StringIO(exported(tmp_path, TABLE).decode())))
    assert [row["optimizer"] for row in rows] == TABLE.columns["optimizer"].tolist()
    assert [row["status"] for row in rows] == ["CONVERGED", "MAX_EPOCHS", "NONFINITE"]


@pytest.mark.parametrize(("dtype", "bits"), [(np.float32, np.uint32), (np.float64, np.uint64)])
def test_every_float_reads_back_as_itself_in_the_fewest_digits(tmp_path, dtype, bits):
    random = np.random.default_rng(0)
    any_bits = random.integers(0, np.iinfo(bits).max, 20_000, bits, endpoint=True).view(dtype)
    edges = [0, -0.0, np.finfo(dtype).tiny, np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max]
    finite = any_bits[np.isfinite(any_bits)]
    values = np.concatenate([finite, np.array(edges, dtype), random.random(1000).astype(dtype)])
    with np.printoptions(precision=2, suppress=True):  # somebody else's setting
        text = exported(tmp_path, RunTable({}, {"x": values})).decode()
    cells = text.split()[1:]
    assert np.array_equal(np.array(cells, np.float64).astype(dtype).view(bits), values.view(bits))
    if dtype is np.float64:
        assert cells == list(map(repr, values.tolist()))


def test_integers_are_integers(tmp_path):
    limits = {
        f"{dtype}": np.array([np.iinfo(dtype).min, np.iinfo(dtype).max], dtype)
        for dtype in ("int8", "uint8", "int32", "uint32", "int64", "uint64")
    }
    rows = list(csv.reader(io.StringIO(exported(tmp_path, RunTable({}, limits)).decode())))
    assert rows[0] == list(limits)
    for column, values in zip(zip(*rows[1:], strict=True), limits.values(), strict=True):
        assert list(column) == [str(value) for value in values.tolist()]


def test_rows_at_once_do_not_show(tmp_path, monkeypatch):
    whole = exported(tmp_path, TABLE)
    monkeypatch.setattr(export, "_ROWS_AT_ONCE", 2)
    assert exported(tmp_path, TABLE) == whole


def test_weights_take_the_sweep_s_names(tmp_path):
    names = ["input->hidden[0,0]", "hidden.bias[0]"]
    table = RunTable({"weight_names": names}, TABLE.columns)
    assert list(flat_columns(table))[-2:] == names
    assert b',"input->hidden[0,0]",hidden.bias[0]\n' in exported(tmp_path, table)
    with pytest.raises(ResultsError, match=r"`weight_names` of the sweep are 1, .* has 2"):
        export_table(RunTable({"weight_names": ["one"]}, TABLE.columns), tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("code", [0, 9])
def test_a_status_that_is_no_outcome_is_refused(tmp_path, code):
    with pytest.raises(ResultsError, match=f"column 'status' holds {code}, which is no outcome"):
        export_table(RunTable({}, {"status": np.array([1, code], np.uint8)}), tmp_path / "none")


def test_an_empty_table_has_a_header_only(tmp_path):
    empty = RunTable({}, {name: column[:0] for name, column in TABLE.columns.items()})
    assert exported(tmp_path, empty) == CSV[: CSV.index(b"\n") + 1]


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(SettingError, match=r"`format` must be one of csv, parquet, got 'xlsx'\."):
        export_table(TABLE, tmp_path / "table.xlsx", "xlsx")


def test_the_file_is_whole_or_absent(tmp_path, monkeypatch):
    before = exported(tmp_path, TABLE)

    def full(file, data):
        file.write(data[:10])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "write", full)
    with pytest.raises(ResultsError, match=r"cannot write .*table': No space left on device\."):
        export_table(TABLE, tmp_path / "table")
    assert (tmp_path / "table").read_bytes() == before
    assert os.listdir(tmp_path) == ["table"]
    with pytest.raises(ResultsError, match=r"cannot write .*: No such file or directory\."):
        export_table(TABLE, tmp_path / "none" / "table")


def big_table(num_rows):
    random = np.random.default_rng(0)
    return RunTable(
        {},
        {
            "seed": np.arange(num_rows, dtype=np.uint32),
            "status": random.integers(1, 4, num_rows, np.uint8),
            "epochs": random.integers(0, 10**5, num_rows, np.int32),
            "loss": random.random(num_rows, np.float32),
            "learning_rate": random.choice([0.1, 0.3, 1.0], num_rows),
        },
    )


def test_csv_is_fast(tmp_path):
    start = time.perf_counter()
    export_table(big_table(100_000), tmp_path / "table")
    assert time.perf_counter() - start < 3  # 0.2 s alone; other programs may be running


@pytest.mark.slow
def test_a_million_rows(tmp_path):
    start = time.perf_counter()
    export_table(big_table(1_000_000), tmp_path / "table")
    assert time.perf_counter() - start < 10  # 2 s alone


# ---- Parquet ------------------------------------------------------------------------------------


def parquet():
    return pytest.importorskip("pyarrow.parquet")


def test_parquet_has_the_same_table(tmp_path):
    data = exported(tmp_path, TABLE, "parquet")
    read = parquet().read_table(io.BytesIO(data), page_checksum_verification=True)
    flat = flat_columns(TABLE)
    assert read.column_names == list(flat)
    for name, column in flat.items():
        again = read[name].to_numpy()
        assert again.dtype == (object if column.dtype.kind == "U" else column.dtype)
        assert again.tolist() == column.tolist() or np.array_equal(again, column, equal_nan=True)


def test_parquet_pages_are_checked(tmp_path):
    data = bytearray(exported(tmp_path, big_table(1000), "parquet"))
    data[len(data) // 4] ^= 4
    with pytest.raises(OSError, match="CRC checksum"):
        parquet().read_table(io.BytesIO(data), page_checksum_verification=True)


def test_a_missing_pyarrow_costs_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ResultsError, match=r"pip install 'bpjax\[parquet\]'") as fault:
        export_table(TABLE, tmp_path / "table", "parquet")
    assert "\n" not in str(fault.value)
    assert os.listdir(tmp_path) == []
