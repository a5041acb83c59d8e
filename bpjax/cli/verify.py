"""`bpjax verify`: whether a results folder is whole."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from bpjax.cli.options import parse
from bpjax.cli.output import progress_line, say

MOST_RANGES = 20
"""Missing ranges that are named; a sweep that was killed can leave hundreds, of one run most."""


@dataclasses.dataclass(frozen=True)
class Options:
    """Check that every file is intact and every run is there exactly once; exit code 1 if not."""

    folder: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="DIR")]]
    """Results folder of `bpjax sweep` or `bpjax train`."""
    repair: bool = False
    """Mend what is damaged: files that can be written again are, runs of damaged chunks trained."""


def main(words: Sequence[str]) -> int:
    """Print what is wrong with a folder, if anything, and mend it if asked to."""
    options = parse(Options, "verify", words)
    from bpjax.results.files import names_in
    from bpjax.results.manifest import is_run_folder

    names = names_in(Path(options.folder)) if os.path.isdir(options.folder) else []
    if is_run_folder(names):
        return _verify_run(options)
    if options.repair:
        _repair_sweep(options.folder)
    return _verify_sweep(options)


def _verify_sweep(options: Options) -> int:
    from bpjax.results.chunks import runs_text
    from bpjax.results.store import verify

    report = verify(options.folder)
    for fault in report.faults:
        say(f"damaged: {fault.path}: {fault.reason}")
    for damage in report.damaged:
        say(
            f"damaged: {damage.path} (some of runs {damage.start} to "
            f"{damage.stop - 1}, {damage.seeds}): {damage.reason}"
        )
    if report.missing:
        say(f"missing: {runs_text(report.missing, MOST_RANGES)}")
    say(
        f"{report.num_chunks:,} chunks intact, {report.num_runs:,} runs in them, "
        f"{len(report.damaged)} chunks damaged, {len(report.missing)} ranges missing."
    )
    if report.faults or report.damaged:
        say("Mend it with: bpjax verify DIR --repair")
    if report.missing:
        say("The command that made the sweep, given again, computes what is not there.")
    return 0 if report.ok else 1


def _repair_sweep(folder: str) -> None:
    from bpjax.cli import stopping
    from bpjax.results.folder import SweepFolder
    from bpjax.sweeps.devices import keep_compiled_programs, use_all_cpu_cores

    flags = SweepFolder.open_for_reading(folder).identity["xla_flags"]
    if "xla_backend_extra_options" in flags:  # as the command line has asked for it
        use_all_cpu_cores()
    keep_compiled_programs()
    from bpjax.repair import repair_sweep
    from bpjax.sweeps.host_loop import Progress

    with progress_line() as line, stopping.politely("stopped; the same command goes on"):

        def show(at: Progress) -> None:
            stopping.check()
            line.show(at.line())

        repair_sweep(folder, show, stopping.check)


def _verify_run(options: Options) -> int:
    from bpjax.repair import command_of_run
    from bpjax.run_folder import mend_record, verify_run
    from bpjax.sweeps.devices import use_all_cpu_cores

    use_all_cpu_cores()
    if options.repair:
        mend_record(options.folder)
    identity, faults = verify_run(options.folder)
    for fault in faults:
        say(f"damaged: {fault.path}: {fault.reason}")
    say(f"3 files of a run, {len(faults)} damaged.")
    if {fault.path.name for fault in faults} == {"run.json"}:
        say("Mend it with: bpjax verify DIR --repair")
    elif faults:
        say(f"Mend it with: {command_of_run(options.folder, identity)}")
    return 1 if faults else 0
