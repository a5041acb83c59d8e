"""What the assembler says of a kernel, and what an epoch is in its machine code."""

import collections
import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bpjax.bench.gpu import CLOCK_HZ, PER_CLOCK
from experiments.gpu_code.tools import Tools

MULTIPROCESSORS = 132
"""Of an H100 SXM; the clock is its highest."""
ISSUED = PER_CLOCK
"""Instructions that a multiprocessor starts per clock: one for each of four warps of 32 threads."""
BYTES_PER_SECOND = 3.35e12
"""Of the card's memory."""
BYTES_OF_AN_INSTRUCTION = 16
REGISTERS, MOST_THREADS = 65_536, 2_048
"""Of a multiprocessor."""
REGISTERS_BY = 8
"""A thread gets its registers by eights."""

UNITS: dict[str, tuple[float | None, str]] = {
    "float32": (128, r"F(FMA|MUL|ADD)(32I)?\b"),
    "float64": (64, r"D(FMA|MUL|ADD|SETP)\b"),
    "special": (16, r"MUFU\b"),
    "choices": (64, r"([FI]?SEL|[FIP]SETP|[FI]MNMX|P?LOP3|SHF|IADD3|LEA|VIADD)\b"),
    "local memory": (32, r"(LDL|STL)\b"),
    "others": (None, r""),
}
"""Of each kind of instruction how many a multiprocessor makes per clock, after the throughput table
of the CUDA programming guide for compute capability 9.0, and its names; the first that fits counts.
Choices are comparisons, selections and integers. Of the others nothing limits but their start.
"""


class Assembled(NamedTuple):
    """What the assembler says of a kernel.

    Attributes:
      registers: of a thread.
      stack: bytes of local memory of a thread.
      spill_stores: bytes written there because registers were short.
      spill_loads: bytes read back.
    """

    registers: int
    stack: int
    spill_stores: int
    spill_loads: int


def assemble(ptx: str, tools: Tools) -> tuple[Assembled, str]:
    """Return what the assembler says of a kernel, and its machine code as text."""
    (target,) = re.findall(r"^\.target (\w+)", ptx, re.MULTILINE)
    with tempfile.TemporaryDirectory() as folder:
        source, code = Path(folder, "kernel.ptx"), Path(folder, "kernel.cubin")
        source.write_text(ptx)
        said = _run(tools.ptxas, "-v", "-O3", f"-arch={target}", source, "-o", code).stderr
        return read_assembler(said), _run(tools.nvdisasm, "-c", code).stdout


def _run(*words: Any) -> Any:
    return subprocess.run(words, capture_output=True, text=True, check=True)


def read_assembler(said: str) -> Assembled:
    """Return the numbers in what `ptxas -v` says of one kernel.

    Example:
      >>> read_assembler("8 bytes stack frame, 4 bytes spill stores, 12 bytes spill loads"
      ...                " ptxas info : Used 40 registers, used 2 barriers")
      Assembled(registers=40, stack=8, spill_stores=4, spill_loads=12)
    """
    (registers,) = re.findall(r"Used (\d+) registers", said)
    kinds = "stack frame", "spill stores", "spill loads"
    local = [int(re.findall(rf"(\d+) bytes {kind}", said)[0]) for kind in kinds]
    return Assembled(int(registers), *local)


def epoch_loop(disassembled: str) -> list[str]:
    """Return the instructions of the longest loop, names with their modifiers, in order.

    A loop is what lies between a label and a later branch back to it; the predicate of an
    instruction is left out.

    Raises:
      ValueError: if there is no loop.
    """
    names: list[str] = []
    labels: dict[str, int] = {}
    loops: list[list[str]] = []
    for line in disassembled.splitlines():
        if label := re.match(r"\s*(\.L_x_\d+):", line):
            labels[label[1]] = len(names)
        if found := re.match(r"\s*/\*[0-9a-f]+\*/\s+(?:@!?U?P\w+ +)?([A-Z][\w.]*)(.*);", line):
            names.append(found[1])
            back = re.search(r"\(?(\.L_x_\d+)", found[2])
            if found[1].startswith("BRA") and back and back[1] in labels:
                loops.append(names[labels[back[1]] :])
    if not loops:
        raise ValueError("The machine code has no loop.")
    return max(loops, key=len)


def by_unit(instructions: list[str]) -> dict[str, int]:
    """Return how many instructions each kind of unit gets, in the order of `UNITS`.

    Example:
      >>> found = by_unit(["FFMA.SAT", "MUFU.EX2", "SHF.L.U32", "FADD"])
      >>> {unit: many for unit, many in found.items() if many}
      {'float32': 2, 'special': 1, 'choices': 1}
    """
    kinds = [next(u for u, (_, fits) in UNITS.items() if re.match(fits, i)) for i in instructions]
    counts = collections.Counter(kinds)
    return {unit: counts[unit] for unit in UNITS}


def bounds(counts: Mapping[str, int]) -> dict[str, float]:
    """Return the seed-epochs per second that an H100 cannot exceed, by what would limit it.

    "issue" is for all instructions together, the others are for those of one kind, where a loop has
    any and their units have a rate of their own.

    Example:
      >>> found = bounds({"float32": 300, "special": 46, "choices": 0})
      >>> {what: round(bound / 1e9, 1) for what, bound in found.items()}
      {'issue': 96.7, 'float32': 111.5, 'special': 90.9}
    """
    card = MULTIPROCESSORS * CLOCK_HZ["H100"]
    found = {"issue": card * ISSUED / sum(counts.values())}
    for unit, many in counts.items():
        rate = UNITS[unit][0]
        if many and rate is not None:
            found[unit] = card * rate / many
    return found


def resident_threads(registers: int, threads_of_block: int) -> int:
    """Return how many threads of a multiprocessor have their registers at once, in whole blocks.

    Example:
      >>> resident_threads(72, 128), resident_threads(255, 128), resident_threads(24, 128)
      (896, 256, 2048)
    """
    each = -(-registers // REGISTERS_BY) * REGISTERS_BY
    threads = min(REGISTERS // each, MOST_THREADS)
    return threads // threads_of_block * threads_of_block
