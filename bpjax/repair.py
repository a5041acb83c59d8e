"""Mending a results folder: what is damaged is written or computed again, nothing else."""

import shlex
from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any

from bpjax.errors import ResultsError
from bpjax.report.command import repeat
from bpjax.results import files
from bpjax.results.folder import SweepFolder
from bpjax.results.identity import as_stored, differences
from bpjax.results.store import Damage, read_runs, verify
from bpjax.results.summary import summarize
from bpjax.sweeps.crew import go_on
from bpjax.sweeps.host_loop import OnProgress, run_plan
from bpjax.sweeps.plan import Plan
from bpjax.text import printable
from bpjax.told import told_plan


def repair_sweep(
    path: str | PathLike[str],
    on_progress: OnProgress | None = None,
    check: Callable[[], None] = go_on,
) -> None:
    """Mend the folder of a sweep: `sweep.json` and its copy, damaged chunks, `summary.json`.

    The runs that damaged chunks held are trained again, by the program that trained them first, or
    not at all. Runs that have never been trained are left to the command that made the sweep.

    Args:
      path: the folder.
      on_progress: as for `bpjax.sweep`.
      check: as for `run_plan`.

    Raises:
      ResultsError: if the folder cannot be read or written, or the runs cannot be trained here.
        What could be mended is mended then.
    """
    folder = SweepFolder.open_for_reading(path)
    with SweepFolder.open_for_writing(path, folder.identity, folder.environment):
        pass  # it writes what is missing of `sweep.json` and its copy
    report = verify(path)
    if report.damaged:
        plan = _plan_of(folder, report.damaged[0])
        run_plan(plan, folder.path, on_progress, only_damaged=True, check=check)
    if any(fault.path.name == "summary.json" for fault in verify(path).faults):
        _make_summary_again(folder)


def _plan_of(folder: SweepFolder, damage: Damage) -> Plan:
    plan = told_plan(folder.identity)
    what = f"the runs of {str(damage.path)!r} cannot be trained again here"
    if plan is None:
        raise ResultsError(
            f"{what}: the folder does not tell all of what they are, since some of it was brought "
            "as Python objects or weights; run the sweep again as it was made, into the same "
            "folder, which trains just what is not there."
        )
    told = {**as_stored(plan.identity()), "runs": folder.identity["runs"]}  # a shard may have grown
    if changes := "; ".join(differences(folder.identity, told)):
        raise ResultsError(
            f"{what}: {changes}; run the command that made the sweep where all is as it was."
        )
    return plan


def _make_summary_again(folder: SweepFolder) -> None:
    with SweepFolder.open_for_writing(folder.path, folder.identity, folder.environment) as opened:
        table = read_runs(folder.path, allow_partial=True)
        if verify(folder.path).missing:
            with files.explained("remove", folder.path / "summary.json"):
                files.remove(folder.path / "summary.json")
        else:
            opened.write_summary(summarize(table, None) | {"fallback": None})


def command_of_run(path: str | PathLike[str], identity: Mapping[str, Any]) -> str:
    """Return the command that trains a run again into its folder, or what else does."""
    again = repeat(identity, "train")
    if again is None:
        return "the script that trained it, since no command line describes it"
    return f"{again.line} --out {shlex.quote(printable(str(path)))}"
