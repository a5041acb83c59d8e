"""`bpjax bench`: how fast this machine trains, beside other ways of writing the same training."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from bpjax.bench.client import WorkerError, both_workers
from bpjax.bench.measure import bench
from bpjax.bench.record import disagreements, failures
from bpjax.bench.sizes import ALL_CORES, CASES, FULL, GPU_CASES, LARGER_CASES, QUICK, Budget, Size
from bpjax.bench.table import render
from bpjax.cli import stopping
from bpjax.cli.options import Words, arg, parse
from bpjax.cli.output import say, warn
from bpjax.cli.progress import ProgressLine
from bpjax.errors import SettingError

SUITES = ("cpu", "gpu")
NO_DEVICE = 3
"""The exit code where the suite's device is not there."""
STOPPED = "stopped; nothing is kept of an unfinished bench"


@dataclasses.dataclass(frozen=True)
class Options:
    """Time our training programs against NumPy and against the usual JAX and optax program.

    All contenders take turns, start from the same weights and show what they computed. Exit code 1
    if one of them computed something else or failed, 3 if there is no GPU for --suite gpu.
    """

    case: Annotated[Words, arg("NAME ...", "the first four")] = None
    """Cases to measure: xor, encoder, symmetry, family; also iris, spirals, digits."""
    quick: bool = False
    """Fewer and shorter rounds: under two minutes instead of about seven."""
    json: Annotated[str | None, arg("FILE", "none")] = None
    """Write the whole record to this file; with --suite gpu the curve over lanes beside it."""
    suite: Annotated[str, arg("NAME", "cpu")] = "cpu"
    """cpu; or gpu, where JAX finds one: most of these contenders in quick rounds, then XOR over
    10^3 to 10^7 lanes, and sweeps of up to a billion runs to their outcomes."""
    no_figures: bool = False
    """Draw nothing."""


def main(words: Sequence[str]) -> int:
    """Measure, print the tables and write the record; return 1 if a contender is off."""
    options = parse(Options, "bench", words)
    if options.suite not in SUITES:
        raise SettingError("suite", f"must be one of {', '.join(SUITES)}", options.suite, SUITES)
    there_are = GPU_CASES if options.suite == "gpu" else {**CASES, **LARGER_CASES}
    sizes = _sizes(list(CASES if options.case is None else options.case), there_are)
    if options.json is not None:
        check_writable(options.json)
    try:
        quick = options.quick or options.suite == "gpu"
        record = _measure(options.suite, sizes, QUICK if quick else FULL)
    except WorkerError as fault:
        warn(f"bpjax: {fault}")
        return 1
    except KeyboardInterrupt:
        warn(STOPPED)
        raise
    if isinstance(record, str):
        say(f"Nothing was measured. {record}.")
        return NO_DEVICE
    say(render(record))
    if options.json is not None:
        _write(record, Path(options.json), draw=not options.no_figures)
    return 1 if disagreements(record) or failures(record) else 0


def _write(record: Mapping[str, Any], path: Path, draw: bool) -> None:
    """Write the record, and beside it what can be drawn of it."""
    from bpjax.results.files import publish_json

    publish_json(path, record)
    say(f"\nrecord: {path}")
    if draw and record["gpu"] is not None:
        from bpjax.bench.figure import lanes_figure
        from bpjax.plots import save_figure

        name = path.with_name(path.name.removesuffix(".json"))
        files = save_figure(lanes_figure(record).figure, name)
        say(f"figure: {', '.join(map(str, files))}")


def _measure(suite: str, sizes: Mapping[str, Size], budget: Budget) -> dict[str, Any] | str:
    """Return the record, or why the suite's device is not there."""
    with ProgressLine() as line, stopping.politely(STOPPED):

        def tell(text: str) -> None:
            stopping.check()
            line.show(text)

        with both_workers(suite, stopping.check) as workers:
            if suite == "gpu" and (why := workers[ALL_CORES].ask("why_no_gpu")) is not None:
                return why
            return bench(workers, suite, sizes, budget, tell)


def _sizes(names: Sequence[str], there_are: Mapping[str, Size]) -> dict[str, Size]:
    for name in names:
        if name not in there_are:
            raise SettingError("case", f"must be among {', '.join(there_are)}", name, there_are)
    if not names or len(set(names)) < len(names):
        rule = "must have a value" if not names else "must not have a value twice"
        raise SettingError("case", rule, names)
    return {name: there_are[name] for name in names}


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
