"""The study as Markdown; whatever it says follows from the record."""

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.gpu_code.machine_code import BYTES_OF_AN_INSTRUCTION, ISSUED, UNITS

Row = Mapping[str, Any]


def write_up(record: Mapping[str, Any]) -> str:
    """Return the findings as Markdown."""
    versions = record["versions"]
    lines = [
        "# The machine code of our GPU programs",
        "",
        f"Compiled by jax {versions['jax']} and ptxas {versions['ptxas']} for an {record['card']}, "
        "float32 unless told, in blocks of as many lanes as a sweep takes on a GPU. **Nothing was "
        "run: these are counts and what follows from them, not measurements.**",
        "",
        "## The kernel: `fused`",
        "",
        *_kernel_in_words(record["fused"]),
        "",
        *_kernel_table(record["fused"]),
        "",
        "Instructions are those of the loop over epochs, all that lie between its ends: in float64 "
        "some of them are skipped by branches. The bound is for 132 multiprocessors at 1.98 GHz "
        f"that each start {ISSUED} instructions per clock, but at most, of a kind: "
        + ", ".join(f"{unit} {rate:g}" for unit, (rate, _) in UNITS.items() if rate)
        + ". It knows nothing of waiting for results, and nothing of fetching instructions: of "
        f"{BYTES_OF_AN_INSTRUCTION} bytes each, the longest epoch here is "
        f"{_longest(record['fused'])} kB of code. Threads have their registers in blocks of 128. "
        "A stride reads and writes its bytes once; the last column is how many epochs are made "
        "while the card's memory, at 3.35 TB/s, moves them.",
        "",
        "## Kernels per epoch of the other layouts",
        "",
        *_layout_table(record["xla"]),
        "",
        "Fusions, copies and library calls of one turn of the loop over epochs, with its condition "
        "and, as often as they turn, the loops within it. Every one reads its lanes from memory "
        "and writes them back.",
        "",
        "Made by `python -m experiments.gpu_code --out experiments/results/gpu_code`.",
        "",
    ]
    return "\n".join(lines)


def _kernel_in_words(rows: Sequence[Row]) -> list[str]:
    """Return what bounds the kernel, and how full a card is of it."""
    kinds = {row["limited_by"] for row in rows}
    what = {"issue": "how many instructions can be started"}
    limits = " or ".join(sorted(what.get(kind, f"the units for {kind}") for kind in kinds))
    nearest = min(rows, key=lambda row: row["bounds"]["special"] / row["seed_epochs_per_second"])
    room = nearest["bounds"]["special"] / nearest["seed_epochs_per_second"]
    memory = max(row["epochs_while_memory_moves"] for row in rows)
    threads = sorted(row["resident_threads"] for row in rows)
    spilled = [row for row in rows if row["spill_stores"]]
    filled = sorted(row["lanes"] / row["lanes_of_a_card"] for row in rows)
    return [
        f"- What bounds it is {limits}. The special-function units, which make exponentials and "
        f"reciprocals, would allow {room:.1f} times as much or more.",
        f"- Memory does not bound it: a stride of {memory:.0f} epochs takes at least as long as "
        "reading and writing its runs.",
        f"- A multiprocessor holds {threads[0]} to {threads[-1]:,} runs at once, as many as their "
        "registers allow; it could hold 2,048 threads. A block of a sweep fills the card "
        f"{filled[0]:.0f} to {filled[-1]:.0f} times, one load after the other.",
        f"- Registers are short in {len(spilled)} of {len(rows)} programs"
        + (": " if spilled else "")
        + "; ".join(map(_spill_in_words, spilled))
        + ".",
    ]


def _spill_in_words(row: Row) -> str:
    many = row["by_unit"]["local memory"]
    share = 100 * many / row["instructions"]
    return f"{row['name']} makes {many} loads and stores per epoch for it, {share:.1f} % of all"


def _longest(rows: Sequence[Row]) -> str:
    return f"{max(row['instructions'] for row in rows) * BYTES_OF_AN_INSTRUCTION / 1000:.0f}"


def _kernel_table(rows: Sequence[Row]) -> list[str]:
    head = [
        "program",
        "registers",
        "spilled bytes, written and read",
        "instructions",
        *UNITS,
        "bound, 10^9 seed-epochs/s",
        "by special functions",
        "threads per multiprocessor",
        "lanes that fill a card",
        "bytes per stride",
        "epochs in their time",
    ]
    return _table(head, [_kernel_cells(row) for row in rows])


def _kernel_cells(row: Row) -> list[str]:
    bounds = row["seed_epochs_per_second"], row["bounds"]["special"]
    return [
        _name(row),
        str(row["registers"]),
        f"{row['spill_stores']}, {row['spill_loads']}",
        f"{row['instructions']:,}",
        *(f"{row['by_unit'][unit]:,}" for unit in UNITS),
        *(f"{bound / 1e9:.1f}" for bound in bounds),
        f"{row['resident_threads']:,}",
        f"{row['lanes_of_a_card']:,}",
        f"{row['bytes_per_stride']:,.0f}",
        f"{row['epochs_while_memory_moves']:.1f}",
    ]


def _name(row: Row) -> str:
    return row["name"] + (" (float64)" if row["precision"] == "float64" else "")


def _layout_table(rows: Sequence[Row]) -> list[str]:
    head = ["program", "layout", "kernels per epoch", "compiled in seconds"]
    return _table(head, [_layout_cells(row) for row in rows])


def _layout_cells(row: Row) -> list[str]:
    if row["refused"]:
        return [row["name"], row["layout"], row["refused"], ""]
    kinds = ", ".join(f"{many:,.4g} {kind}" for kind, many in row["by_kind"].items())
    kernels = f"{row['kernels']:,.6g} ({kinds})"
    return [row["name"], row["layout"], kernels, f"{row['compile_seconds']}"]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    ruled = ["---", *["---:"] * (len(head) - 1)]
    return [f"| {' | '.join(cells)} |" for cells in (head, ruled, *rows)]
