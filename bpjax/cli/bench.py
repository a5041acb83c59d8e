"""`bpjax bench`: how fast this machine trains, beside other ways of writing the same training."""

import dataclasses
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from bpjax.bench.client import WorkerError, both_workers
from bpjax.bench.measure import bench
from bpjax.bench.record import disagreements
from bpjax.bench.sizes import ALL_CORES, CASES, FULL, QUICK, Budget, Size
from bpjax.bench.table import render
from bpjax.cli import stop_politely
from bpjax.cli.options import Words, arg, parse
from bpjax.cli.progress import ProgressLine
from bpjax.errors import SettingError

SUITES = ("cpu", "gpu")


@dataclasses.dataclass(frozen=True)
class Options:
    """Time our training programs against NumPy and against the usual JAX and optax program.

    All contenders take turns, start from the same weights and show what they computed. Exit code 1
    if one of them computed something else.
    """

    case: Annotated[Words, arg("NAME ...", "all")] = None
    """Cases to measure: xor, encoder, symmetry, family."""
    quick: bool = False
    """Fewer and shorter rounds: under two minutes instead of about seven."""
    json: Annotated[str | None, arg("FILE", "none")] = None
    """Write the whole record to this file."""
    suite: Annotated[str, arg("NAME", "cpu")] = "cpu"
    """cpu; or gpu, where JAX finds one: the same contenders in quick rounds, then XOR over 10^3 to
    10^7 lanes, and sweeps of up to a billion runs to their outcomes."""


def main(words: Sequence[str]) -> int:
    """Measure, print the tables and write the record; return 1 if a contender is off."""
    options = parse(Options, "bench", words)
    if options.suite not in SUITES:
        raise SettingError("suite", f"must be one of {', '.join(SUITES)}", options.suite)
    sizes = _sizes(options.case)
    if options.json is not None:
        check_writable(options.json)
    try:
        quick = options.quick or options.suite == "gpu"
        record = _measure(options.suite, sizes, QUICK if quick else FULL)
    except WorkerError as fault:
        print(f"bpjax: {fault}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; nothing is kept of an unfinished bench", file=sys.stderr)
        raise
    if record is None:
        print("JAX finds no GPU here; nothing was measured. On a GPU, install 'bpjax[cuda13]'.")
        return 0
    print(render(record), flush=True)
    if options.json is not None:
        from bpjax.sweeps.files import publish_json

        publish_json(Path(options.json), record)
        print(f"\nrecord: {options.json}")
    return 1 if disagreements(record) else 0


def _measure(suite: str, sizes: Mapping[str, Size], budget: Budget) -> dict[str, Any] | None:
    """Return the record; None if the suite's device is not there."""
    with ProgressLine() as line, stop_politely() as check:

        def tell(text: str) -> None:
            check()
            line.show(text)

        with both_workers(suite, check) as workers:
            if suite == "gpu" and workers[ALL_CORES].ask("hello")["platform"] != "gpu":
                return None
            return bench(workers, suite, sizes, budget, tell)


def _sizes(words: Words) -> dict[str, Size]:
    names = list(CASES if words is None else words)
    for name in names:
        if name not in CASES:
            raise SettingError("case", f"must be among {', '.join(CASES)}", name)
    if not names or len(set(names)) < len(names):
        rule = "must have a value" if not names else "must not have a value twice"
        raise SettingError("case", rule, names)
    return {name: CASES[name] for name in names}


def check_writable(path: str) -> None:
    """Raise SettingError unless a file can be put at `path`: better now than after minutes."""
    target = Path(path)
    rule = "must be a file that can be written"
    try:
        folder_there, is_folder = target.parent.is_dir(), target.is_dir()
        writable = folder_there and os.access(target.parent, os.W_OK)
    except (OSError, ValueError) as fault:  # ValueError: a null byte in the path
        raise SettingError("json", f"{rule} ({fault})", path) from None
    if not path or is_folder:
        raise SettingError("json", rule, path)
    if not writable:
        raise SettingError("json", f"{rule} (no such folder, or not ours to write in)", path)
