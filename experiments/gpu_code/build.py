"""A training program compiled for an H100 that need not be there, in a process of its own.

JAX takes the description of a card for the card. The process has its own environment: it does not
look for a card, which fails where CUDA's libraries are missing, and Mosaic leaves its PTX in a
folder. And a program that is compiled alone has a compile time of its own.
"""

import dataclasses
import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import topologies
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from bpjax.epoch import program_of, settings_of
from bpjax.layouts import lanes, layout_named
from bpjax.sweeps.planning import good_block_size, make_plan
from bpjax.task import Task
from experiments.gpu_code.tools import CannotCompile, Tools
from experiments.reproduce.rows import experiments

CARD = """
gpu_device_info {
  threads_per_block_limit: 1024
  threads_per_warp: 32
  shared_memory_per_block: 49152
  shared_memory_per_core: 233472
  threads_per_core_limit: 2048
  core_count: 132
  fpus_per_core: 128
  block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
  memory_bandwidth: 3352320000000
  l2_cache_size: 52428800
  clock_rate_ghz: 1.98
  device_memory_size: 84978434048
  shared_memory_per_block_optin: 232448
  cuda_compute_capability { major: 9 }
  registers_per_core_limit: 65536
  registers_per_block_limit: 65536
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 10 }
device_description_str: "NVIDIA H100 80GB HBM3"
"""
"""What XLA asks a card for, as the maker gives it for an H100 SXM."""


@dataclasses.dataclass(frozen=True)
class Built:
    """What came of one program.

    Attributes:
      seconds: from tracing to machine code.
      hlo: the program as XLA compiled it.
      ptx: the kernel of `fused`, "" for other layouts.
      lanes: of the block, as many as a sweep on a GPU takes.
      bytes_in_and_out: settings and state of one run read, its state written back.
    """

    seconds: float
    hlo: str
    ptx: str
    lanes: int
    bytes_in_and_out: float


def build(name: str, layout: str, precision: str, folder: Path, tools: Tools) -> Built:
    """Compile the program of an experiment of the table in a process of its own.

    Raises:
      CannotCompile: with the last line of what the process said.
    """
    folder.mkdir(parents=True)
    command = f"import sys; from {__name__} import main; sys.exit(main(sys.argv[1:]))"
    words = [sys.executable, "-c", command, name, layout, precision, str(folder)]
    environment = os.environ | {
        "JAX_PLATFORMS": "cpu",  # with the plugin for CUDA, but without looking for a card
        "JAX_ENABLE_COMPILATION_CACHE": "false",
        "XLA_FLAGS": tools.xla_flags,
        "MOSAIC_GPU_DUMP_PTX": "1",
        "MOSAIC_GPU_DUMP_TO": str(folder),
    }
    made = subprocess.run(words, env=environment, capture_output=True, text=True)
    if made.returncode:
        last = made.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise CannotCompile(f"{name} by {layout} was not compiled: {last[0]}")
    (ptx,) = [path.read_text() for path in folder.glob("*.ptx")] or [""]
    told = json.loads((folder / "built.json").read_text())
    return Built(hlo=(folder / "program.hlo").read_text(), ptx=ptx, **told)


def main(argv: Sequence[str]) -> int:
    """Compile one program here; write `program.hlo`, `built.json` and, for `fused`, its PTX.

    Args:
      argv: name of the experiment, layout, precision, and the folder to write to.
    """
    name, layout, precision, folder = argv
    jax.config.update("jax_enable_x64", precision == "float64")
    task = next(found.task for found in experiments() if found.name == name)
    block = good_block_size(make_plan(task, 1).cells, on_cpu=False)
    settings, runs = _block(task, precision, block)
    began = time.perf_counter()
    hlo = _compile(task, layout, precision, settings, runs)
    told = {
        "seconds": time.perf_counter() - began,
        "lanes": block,
        "bytes_in_and_out": sum(map(_size, jax.tree.leaves((settings, runs, runs)))) / block,
    }
    Path(folder, "program.hlo").write_text(hlo)
    Path(folder, "built.json").write_text(json.dumps(told))
    return 0


def _block(task: Task, precision: str, size: int) -> Any:
    """Return the shapes of the settings and the runs of a block."""
    program, rows = program_of(task, precision), settings_of(task, precision)
    settings = jax.tree.map(lambda row: jax.ShapeDtypeStruct((*row.shape, size), row.dtype), rows)
    seeds = jax.ShapeDtypeStruct((size,), np.uint32)
    start = functools.partial(lanes.start, program, task.num_cases)
    return settings, jax.eval_shape(start, seeds, settings)


def _compile(task: Task, layout: str, precision: str, settings: Any, runs: Any) -> str:
    program, chosen = program_of(task, precision), layout_named(layout)
    advance = functools.partial(chosen.advance, lanes.Arithmetic(program, "gpu"), task.num_cases)
    cases = jax.eval_shape(lambda: jax.tree.map(jnp.asarray, chosen.cases_of(task, program)))
    number = jax.ShapeDtypeStruct((), np.int32)
    traced = jax.jit(advance).trace(*_on_card((cases, number, number, settings, runs)))
    return traced.lower(lowering_platforms=("cuda",)).compile().as_text()


def _size(leaf: Any) -> int:
    return leaf.size * leaf.dtype.itemsize


def _on_card(shapes: Any) -> Any:
    """Return shapes of arrays that lie on a card which need not be there."""
    card = topologies.get_topology_desc(
        "h100", platform="cuda", target_config=CARD, topology="1x1x1"
    )
    mesh = Mesh(np.array(card.devices), ("lanes",))
    there = NamedSharding(mesh, PartitionSpec())
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=there), shapes
    )
