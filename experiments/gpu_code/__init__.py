"""Everything that can be shown of our GPU programs without a GPU: what their machine code is.

The training programs are compiled for an H100 that need not be there, and what the compilers made
is counted: registers and instructions of the kernel of `bpjax.layouts.fused`, kernels per epoch of
the other layouts. Nothing is run, so nothing here is a measurement.

    python -m experiments.gpu_code

needs `bpjax[cuda13]` and NVIDIA's disassembler, nvidia-cuda-nvdisasm, and writes results/gpu_code;
the published folder, experiments/results/gpu_code, was made with `--out`.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import jax

from experiments.gpu_code.programs import compute
from experiments.gpu_code.tools import CannotCompile, find_tools
from experiments.gpu_code.words import write_up
from experiments.study import HERE, save_record


def main(argv: Sequence[str] | None = None) -> int:
    """Compile, count, save and print."""
    parser = argparse.ArgumentParser(prog="experiments.gpu_code", description=__doc__)
    parser.add_argument(
        "--out",
        type=Path,
        default=HERE.parent / "results" / "gpu_code",
        help="folder for the results (default: results/gpu_code)",
    )
    options = parser.parse_args(argv)
    try:
        tools = find_tools()
        jax.config.update("jax_platforms", "cpu")  # whatever card there is, it is not asked
        record = compute(tools, lambda line: print(line, file=sys.stderr, flush=True))
    except CannotCompile as fault:
        parser.error(str(fault))
    save_record(record, write_up(record), options.out)
    print(write_up(record))
    return 0
