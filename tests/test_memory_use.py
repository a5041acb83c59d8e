"""Memory of a whole sweep, as the operating system counts it (trust P12)."""

import re
import subprocess
import sys

import pytest
from helpers import daily

FEW, MANY = 20_000, 400_000
MEBIBYTE = 2**20
NOISE = 24 * MEBIBYTE
"""Two equal sweeps differ by up to half of this: allocators keep what they were given."""
ROW = 4 + 1 + 4 + 4
"""Bytes of a run in the result table: seed, status, epochs, loss."""

PROGRAM = """
import resource, sys
from bpjax.cli import main
sys.argv = ["bpjax", *sys.argv[1:]]
code = main()
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
sys.exit(code)
"""


def peak_bytes(num_seeds, folder, *words):
    """Return the peak resident memory of a `bpjax sweep` in a process of its own."""
    command = ["sweep", "xor", "--max-epochs", "20", "--no-figures", "--out", str(folder)]
    command += ["--seeds", str(num_seeds), *words]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = re.search(r"^peak (\d+)$", done.stdout, re.MULTILINE)
    assert found, done.stdout
    return int(found[1])


@pytest.mark.parametrize(
    ("words", "bytes_per_run"),
    daily([([], 4 * ROW)], of=[(["--summary-only"], 0), ([], 4 * ROW)]),
)
def test_memory_is_flat_in_the_number_of_seeds(tmp_path, words, bytes_per_run):
    """Up to the result table, of which reading it back may need a few copies."""
    few = peak_bytes(FEW, tmp_path / "few", *words)
    many = peak_bytes(MANY, tmp_path / "many", *words)
    assert many - few < NOISE + bytes_per_run * (MANY - FEW), f"{few} and {many} bytes"
