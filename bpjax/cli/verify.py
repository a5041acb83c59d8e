"""`bpjax verify`: whether a results folder is whole."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from bpjax.cli.options import Folders, check_folders, parse
from bpjax.cli.output import progress_line, say

MOST_RANGES = 20
"""Missing ranges that are named; a sweep that was killed can leave hundreds, of one run most."""


@dataclasses.dataclass(frozen=True)
class Options:
    """Check that every file is intact and every run is there exactly once; exit code 1 if not.

    Of several folders that hold parts of one sweep, every run must be in one of them.
    """

    folders: Folders
    """Results folders of `bpjax sweep` or `bpjax train`."""
    repair: bool = False
    """Mend what is damaged: files that can be written again are, runs of damaged chunks trained."""


def main(words: Sequence[str]) -> int:
    """Print what is wrong with folders, if anything, and mend them if asked to."""
    options = parse(Options, "verify", words)
    check_folders(options.folders)
    several = len(options.folders) > 1
    code = 0
    for folder in options.folders:
        if several:
            say(f"{folder}:")
        code = max(code, _verify(folder, options.repair))
    return code or (_verify_together(options.folders) if several else 0)


def _verify(folder: str, repair: bool) -> int:
    from bpjax.results.files import names_in
    from bpjax.results.manifest import is_run_folder

    names = names_in(Path(folder)) if os.path.isdir(folder) else []
    if is_run_folder(names):
        return _verify_run(folder, repair)
    if repair:
        _repair_sweep(folder)
    return _verify_sweep(folder)


def _verify_together(folders: Sequence[str]) -> int:
    """Check that those folders which hold parts of one sweep have every run of it once."""
    from bpjax.errors import ResultsError
    from bpjax.results.chunks import num_runs_of
    from bpjax.results.files import names_in
    from bpjax.results.manifest import is_run_folder
    from bpjax.results.store import by_sweep, read_runs

    sweeps = [folder for folder in folders if not is_run_folder(names_in(Path(folder)))]
    code = 0
    for parts in by_sweep(sweeps):
        if len(parts) == 1:
            continue
        try:
            told = f"every one of {num_runs_of(read_runs(*parts).held):,} runs once."
        except ResultsError as fault:
            code, told = 1, str(fault)
        say(f"together: {told}")
    return code


def _verify_sweep(folder: str) -> int:
    from bpjax.results.chunks import runs_text
    from bpjax.results.store import verify

    report = verify(folder)
    for fault in report.faults:
        say(f"damaged: {fault.path}: {fault.reason}")
    for damage in report.damaged:
        runs = runs_text([(damage.start, damage.stop)])
        say(f"damaged: {damage.path} (some of {runs}): {damage.reason}")
    if report.missing:
        say(f"missing: {runs_text(report.missing, MOST_RANGES)}")
    say(
        f"{report.num_chunks:,} chunks intact, {report.num_runs:,} runs in them, "
        f"{len(report.damaged)} chunks damaged, {len(report.missing)} ranges missing."
    )
    if report.num_further:
        say(
            f"{report.num_further:,} of these runs are of seeds that the sweep does not have yet: "
            "it was stopped as it grew."
        )
    if report.faults or report.damaged:
        say("Mend it with: bpjax verify DIR --repair")
    if report.missing or report.num_further:
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


def _verify_run(folder: str, repair: bool) -> int:
    from bpjax.repair import command_of_run
    from bpjax.run_folder import mend_record, verify_run
    from bpjax.sweeps.devices import use_all_cpu_cores

    use_all_cpu_cores()
    if repair:
        mend_record(folder)
    identity, faults, unfinished = verify_run(folder)
    for fault in faults:
        say(f"damaged: {fault.path}: {fault.reason}")
    if unfinished is not None:
        kept = f"it is kept up to epoch {unfinished:,}" if unfinished else "nothing of it is kept"
        say(f"The run has not ended; {kept}. The command that began it goes on.")
        return 1
    say(f"3 files of a run, {len(faults)} damaged.")
    if {fault.path.name for fault in faults} == {"run.json"}:
        say("Mend it with: bpjax verify DIR --repair")
    elif faults:
        say(f"Mend it with: {command_of_run(folder, identity)}")
    return 1 if faults else 0
