"""All programs, compiled one after the other, and what is counted of each."""

import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bpjax.epoch import Program, program_of
from bpjax.layouts import LAYOUTS, fused, layout_named
from bpjax.sweeps.planning import make_plan
from bpjax.task import Task
from experiments.gpu_code import machine_code
from experiments.gpu_code.build import Built, build
from experiments.gpu_code.kernels import kernels_of_an_epoch
from experiments.gpu_code.tools import Tools
from experiments.reproduce.rows import Experiment, experiments

IN_DOUBLE = ("xor-2-2-1",)
BY_XLA = ("xor-2-2-1", "symmetry", "encoder-8-3-8", "family-trees")
"""Experiments whose kernels are counted in the layouts that XLA compiles."""


def compute(tools: Tools, tell: Callable[[str], None]) -> dict[str, Any]:
    """Compile everything.

    Args:
      tools: what compiles.
      tell: called with a line on where the study stands.

    Returns:
      What `results.json` holds: `fused` with a row per program and precision, `xla` with a row per
      program and layout, and what compiled them.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        rows = [_fused_row(e, precision, place, tools, tell) for e, precision in served()]
        others = [name for name in LAYOUTS if name != "fused"]
        by_name = {experiment.name: experiment for experiment in experiments()}
        chosen = [(by_name[name], layout) for name in BY_XLA for layout in others]
        by_xla = [_xla_row(e, layout, place, tools, tell) for e, layout in chosen]
    return {
        "card": "NVIDIA H100 80GB HBM3, described and not there",
        "versions": {"jax": version("jax"), "ptxas": tools.version()},
        "fused": rows,
        "xla": by_xla,
    }


def served() -> Iterator[tuple[Experiment, str]]:
    """Return the experiments of the table that the kernel serves, each program once."""
    seen = set()
    for experiment in experiments():
        task = experiment.task
        program = program_of(task)
        if fused.why_not(program, task.num_cases) is None and _key(program, task) not in seen:
            seen.add(_key(program, task))
            yield experiment, "float32"
            if experiment.name in IN_DOUBLE:
                yield experiment, "float64"


def _key(program: Program, task: Task) -> Any:
    return program, *(array.tobytes() for array in task.cases())


def _fused_row(
    experiment: Experiment, precision: str, place: Path, tools: Tools, tell: Callable[[str], None]
) -> dict[str, Any]:
    tell(f"{experiment.name}: fused, {precision}")
    built = build(
        experiment.name, "fused", precision, place / f"{experiment.name} {precision}", tools
    )
    assembled, code = machine_code.assemble(built.ptx, tools)
    epoch = epoch_in_numbers(machine_code.by_unit(machine_code.epoch_loop(code)))
    seconds_of_memory = built.bytes_in_and_out / machine_code.BYTES_PER_SECOND
    threads = machine_code.resident_threads(assembled.registers, fused.THREADS)
    return {
        **_named(experiment, built),
        "precision": precision,
        **assembled._asdict(),
        **epoch,
        "resident_threads": threads,
        "lanes_of_a_card": threads * machine_code.MULTIPROCESSORS,
        "bytes_per_stride": built.bytes_in_and_out,
        "epochs_while_memory_moves": seconds_of_memory * epoch["seed_epochs_per_second"],
    }


def epoch_in_numbers(counts: dict[str, int]) -> dict[str, Any]:
    """Return the instructions of an epoch, what bounds them and where the bound lies."""
    bounds = machine_code.bounds(counts)
    limit = min(bounds, key=bounds.__getitem__)
    return {
        "instructions": sum(counts.values()),
        "by_unit": counts,
        "bounds": bounds,
        "limited_by": limit,
        "seed_epochs_per_second": bounds[limit],
    }


def _xla_row(
    experiment: Experiment, layout: str, place: Path, tools: Tools, tell: Callable[[str], None]
) -> dict[str, Any]:
    tell(f"{experiment.name}: {layout}")
    task = experiment.task
    refused = make_plan(task, 1, implementation=layout).fallback
    if refused is not None:
        return {"name": experiment.name, "layout": layout, "refused": refused}
    built = build(experiment.name, layout, "float32", place / f"{experiment.name} {layout}", tools)
    at_once = layout_named(layout).epochs_at_once(program_of(task), task.num_cases, "gpu")
    kinds = kernels_of_an_epoch(built.hlo, at_once)
    return {
        **_named(experiment, built),
        "layout": layout,
        "refused": None,
        "kernels": sum(kinds.values()),
        "by_kind": kinds,
    }


def _named(experiment: Experiment, built: Built) -> dict[str, Any]:
    task = experiment.task
    return {
        "name": experiment.name,
        "network": task.network.describe(),
        "num_cases": task.num_cases,
        "num_parameters": task.network.num_parameters,
        "lanes": built.lanes,
        "compile_seconds": round(built.seconds, 1),
    }
