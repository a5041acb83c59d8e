"""`bpjax bench`: how fast this machine trains, beside other ways of writing the same training."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from bpjax.bench.client import WorkerError, both_workers
from bpjax.bench.measure import bench
from bpjax.bench.record import disagreements, failures
from bpjax.bench.sizes import (
    ALL_CORES,
    CASES,
    FULL,
    GPU_CASES,
    LARGER_CASES,
    LARGEST_BLOCK,
    QUICK,
    Budget,
    Size,
)
from bpjax.bench.table import render
from bpjax.cli import bench_compare, stopping
from bpjax.cli.options import Task, Words, arg, parse
from bpjax.cli.output import progress_line, say, warn
from bpjax.cli.words import whole
from bpjax.errors import SettingError
from bpjax.numbers import whole_number

SUITES = ("cpu", "gpu")
PRECISIONS = ("float32", "float64")
MOST_ROUNDS = 1000
GPU_PLATFORMS = ("cuda", "rocm", "gpu")
"""What JAX_PLATFORMS may begin with where JAX is to use a GPU or nothing."""
NO_DEVICE = 3
"""The exit code where the suite's device is not there."""
STOPPED = "stopped; nothing is kept of an unfinished bench"


@dataclasses.dataclass(frozen=True)
class Options:
    """Time our training programs against NumPy and against the usual JAX and optax program.

    All contenders take turns, start from the same weights and show what they computed; the last
    lines have the number to quote. Exit code 1 if a contender computed something else or failed,
    3 if there is no GPU for --suite gpu. Two records: `bpjax bench compare A.json B.json`.
    """

    task: Task = None
    """A case, or an experiment of your own instead of the cases: FILE.toml, FILE.py:NAME, or what
    `bpjax tasks` lists. Where the JAX and optax program cannot be written for it, that is said."""
    case: Annotated[Words, arg("NAME ...", "the first four")] = None
    """Cases to measure: xor, encoder, symmetry, family; also iris, spirals, digits."""
    quick: bool = False
    """Fewer and shorter rounds: under two minutes instead of about seven."""
    rounds: Annotated[str | None, arg("N", "9; 3 with --quick")] = None
    """How often every contender has its turn."""
    lanes: Annotated[str | None, arg("N", "as a sweep takes them")] = None
    """Runs that ours trains at once, per device; on a GPU those of the others too."""
    precision: Annotated[str, arg("NAME", "float32")] = "float32"
    """float32 or float64, for all contenders."""
    json: Annotated[str | None, arg("FILE", "none")] = None
    """Write the whole record to this file, and its figures beside it."""
    suite: Annotated[str | None, arg("NAME", "cpu; gpu where JAX_PLATFORMS asks for one")] = None
    """cpu; or gpu, where JAX finds one: most of these contenders in quick rounds, then XOR over
    10^3 to 10^7 lanes, and sweeps of up to a billion runs to their outcomes."""
    no_figures: bool = False
    """Draw nothing."""


class Asked(NamedTuple):
    """What is to be measured, and how."""

    suite: str
    sizes: Mapping[str, Size]
    budget: Budget
    precision: str
    lanes: int | None


def main(words: Sequence[str]) -> int:
    """Measure, print the tables and write the record; return 1 if a contender is off."""
    if words[:1] == ["compare"]:
        return bench_compare.main(words[1:])
    options = parse(Options, "bench", words)
    asked = _asked(options)
    if options.json is not None:
        check_writable(options.json)
    try:
        record = _measure(asked)
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


def _asked(options: Options) -> Asked:
    """Return what the words ask for.

    Raises:
      SettingError: naming the first option that breaks its rule, or what is wrong with a file.
    """
    suite = _asked_by_platform() if options.suite is None else options.suite
    if suite not in SUITES:
        raise SettingError("suite", f"must be one of {', '.join(SUITES)}", suite, SUITES)
    if options.precision not in PRECISIONS:
        rule = f"must be one of {', '.join(PRECISIONS)}"
        raise SettingError("precision", rule, options.precision, PRECISIONS)
    budget, lanes = QUICK if options.quick or suite == "gpu" else FULL, None
    if options.rounds is not None:
        rounds = whole_number("rounds", whole("rounds", options.rounds), 1, MOST_ROUNDS)
        budget = budget._replace(rounds=rounds)
    if options.lanes is not None:
        lanes = whole_number("lanes", whole("lanes", options.lanes), 1, LARGEST_BLOCK)
    sizes = _sizes(options, suite)
    if lanes is not None:
        others = {"runs": lanes} if suite == "gpu" else {}
        sizes = {name: size._replace(block_size=lanes, **others) for name, size in sizes.items()}
    return Asked(suite, sizes, budget, options.precision, lanes)


def _asked_by_platform() -> str:
    """Return the suite that JAX's own variable asks for: one of a GPU that is missing is said."""
    first = os.environ.get("JAX_PLATFORMS", "").split(",")[0].strip().lower()
    return "gpu" if first in GPU_PLATFORMS else "cpu"


def _write(record: Mapping[str, Any], path: Path, draw: bool) -> None:
    """Write the record, and beside it what can be drawn of it."""
    from bpjax.results.files import publish_json

    publish_json(path, record)
    say(f"\nrecord: {path}")
    if draw:
        from bpjax.bench.figure import lanes_figure, rates_figure
        from bpjax.plots import save_figure

        name = path.with_name(path.name.removesuffix(".json"))
        drawn = {name: rates_figure(record)}
        if record["gpu"] is not None:
            drawn[name.with_name(f"{name.name}-lanes")] = lanes_figure(record)
        for file, axes in drawn.items():
            say(f"figure: {', '.join(map(str, save_figure(axes.figure, file)))}")


def _measure(asked: Asked) -> dict[str, Any] | str:
    """Return the record, or why the suite's device is not there."""
    with progress_line() as line, stopping.politely(STOPPED):

        def tell(text: str) -> None:
            stopping.check()
            line.show(text)

        with both_workers(asked.suite, stopping.check, asked.precision) as workers:
            if asked.suite == "gpu":
                why = workers[ALL_CORES].ask("why_no_gpu")
                if why is not None:
                    return why
            return bench(workers, **asked._asdict(), tell=tell)


def _sizes(options: Options, suite: str) -> dict[str, Size]:
    """Return the cases, and a task of the user's own behind them, each with its size."""
    there_are = GPU_CASES if suite == "gpu" else {**CASES, **LARGER_CASES}
    names, task = options.case, options.task
    if names is None:
        names = tuple(CASES) if task is None else ()
    elif not names or len(set(names)) < len(names):
        rule = "must have a value" if not names else "must not have a value twice"
        raise SettingError("case", rule, list(names))
    for name in names:
        if name not in there_are:
            raise SettingError("case", f"must be among {', '.join(there_are)}", name, there_are)
    sizes = {name: there_are[name] for name in names}
    if task is not None and task not in sizes:
        sizes[task] = there_are[task] if task in there_are else _own_size(task)
    return sizes


def _own_size(task: str) -> Size:
    from bpjax.bench.cases import case_task, good_size

    return good_size(case_task(task))


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
