"""`bpjax sweep`: many runs, with statistics."""

import dataclasses
import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from bpjax.cli import stopping
from bpjax.cli.config import with_config
from bpjax.cli.options import OfTask, Task, arg, command_of, parse
from bpjax.cli.output import progress_line, say, say_table, share_text, warn
from bpjax.cli.table import as_fault_of, asked_for
from bpjax.cli.until import numbers_of, print_known, told
from bpjax.cli.words import seeds, shard, whole
from bpjax.errors import SettingError
from bpjax.text import rounded


@dataclasses.dataclass(frozen=True)
class Options:
    """Train many runs, one per seed and point of the grid, to their outcomes.

    Runs that the folder already holds are not trained again: the same command resumes a sweep that
    was stopped, and with more seeds, or others, it adds them to those that are there.
    """

    settings: OfTask
    task: Task = None
    """One of `bpjax tasks`; or a file of your own: FILE.toml, or FILE.py:NAME, which is run."""
    seeds: Annotated[str | None, arg("N|A-B,...", "1000")] = None
    """How many seeds, for every point of the grid; or which: 100-199 (both included), 3,17,40."""
    first_seed: Annotated[str | None, arg("K", "0")] = None
    """The first of a number of seeds; all must be below 2**32."""
    until: Annotated[str | None, arg("WHAT", "off")] = None
    """Add seeds until this is known so well: 'success_rate +- 0.005', 'median +- 2%' or
    'expected_epochs +- 2%'. --seeds is the most then, 1000000 unless told."""
    pilot: Annotated[str | None, arg("N", "400")] = None
    """Seeds that plan at how many more it is looked, with --until."""
    zipped: bool = False
    """Lists make points together: the first values of all one point, the second ones the next."""
    table: Annotated[str | None, arg("FILE", "none")] = None
    """CSV file with a column for every setting and a row for every point, instead of lists."""
    out: Annotated[str | None, arg("DIR", "results/TASK-...")] = None
    """Folder for the results."""
    shard: Annotated[str | None, arg("I/N", "the whole sweep")] = None
    """Train only the I-th of N parts, counted from 1, each into a folder of its own."""
    config: Annotated[str | None, arg("FILE", "none")] = None
    """TOML file that holds any of these options; the command line wins."""
    keep_weights: bool = False
    """Keep the final weights of every run."""
    summary_only: bool = False
    """Keep no row per run, only how many ended when and how: for 10^8 seeds and more."""
    no_figures: bool = False
    """Draw nothing."""
    json: bool = False
    """Print the summary as JSON on standard output, and nothing else there."""


MOST_ROWS = 50


def main(words: Sequence[str]) -> int:
    """Run or resume a sweep, showing its progress, and print its summary."""
    options = with_config(parse(Options, "sweep", words))
    arguments = _which_seeds(options)
    variants, settings = asked_for(options)

    from bpjax.results.store import read_runs
    from bpjax.sweeps.devices import keep_compiled_programs, use_all_cpu_cores
    from bpjax.sweeps.host_loop import Progress, default_folder, run_plan
    from bpjax.sweeps.planning import make_plan
    from bpjax.sweeps.until import PILOT, first_of, go_on_until, plan_until, read_target

    use_all_cpu_cores()
    keep_compiled_programs()
    arguments |= {"keep_weights": options.keep_weights, "summary_only": options.summary_only}
    target = None if options.until is None else read_target(options.until)
    with as_fault_of(options.table):
        plan = (plan_until if target else make_plan)(variants, **arguments, **settings)
    folder = options.out or default_folder(plan)
    resume = f"Resume with: {shlex.join(['bpjax', 'sweep', *words])}"
    at_once = f"stopped at once; what was stored, every few seconds, is in {folder}. {resume}"
    reached: list[Progress] = []
    try:
        with progress_line() as line, stopping.politely(at_once):

            def show(at: Progress) -> None:
                reached[:] = [at]
                stopping.check()
                line.show(at.line())

            command = command_of("sweep", None if settings["zipped"] else options.task, words)

            def run(part: Any, known: Any = None) -> Any:
                return run_plan(
                    part, folder, show, check=stopping.check, command=command, known=known
                )

            known = target and go_on_until(plan, target, arguments.get("pilot", PILOT), run)
            result = known.result if known else run(plan)
    except KeyboardInterrupt:
        warn(f"{_where_stopped(reached, folder)}. {resume}")
        raise
    stopping.say(f"stopped; all runs are in {folder}, but not all that is made of them")
    summary = result.summary()
    if known:
        plan = first_of(plan, known.num_seeds)
        summary |= {"until": told(known)}
    more = _more_seeds(folder, plan)
    if options.json:
        say(json.dumps({"folder": folder, **summary}, indent=2))
    else:
        print_summary(summary)
        if known:
            print_known(known)
        rows = "counts" if options.summary_only else "per-run table"
        what = f"{rows} and summary" if options.no_figures else f"{rows}, summary and figures"
        say(f"{what}{more and f', of {more}'}: {folder}")
    if not options.no_figures:
        from bpjax.figures.draw import draw_sweep

        table = read_runs(folder, allow_partial=True) if more else result.table
        draw_sweep(table, f"{folder}/figures", _histories(plan))
    return 1 if known and not known.reached else 0


def _which_seeds(options: Options) -> dict[str, Any]:
    """Return the arguments that say how many seeds there are, or which."""
    if options.until is not None:
        if options.shard is not None:
            raise SettingError("shard", "cannot go with until", options.shard)
        return numbers_of(options)
    if options.pilot is not None:
        raise SettingError("pilot", "must go with until", options.pilot)
    arguments: dict[str, Any] = {"seeds": seeds("1000" if options.seeds is None else options.seeds)}
    if options.first_seed is not None:
        arguments["first_seed"] = whole("first_seed", options.first_seed)
    if options.shard is not None:
        arguments["shard"] = shard(options.shard)
    return arguments


def _more_seeds(folder: str, plan: Any) -> str:
    """Say which seeds a folder holds, if they are more than those asked for; else nothing."""
    from bpjax.results.chunks import as_ranges, num_runs_of, runs_text
    from bpjax.results.extent import seeds_of
    from bpjax.results.store import SweepFolder

    held = seeds_of(SweepFolder.open_for_reading(folder).identity)
    return runs_text(held) if num_runs_of(held) > num_runs_of(as_ranges(plan.seeds)) else ""


FAN_RUNS = 100
"""Seeds whose loss is drawn over training."""
FAN_WORK = 5e7
"""Weights times cases times epochs of one run, up to which these seeds are trained once more.

That is up to two seconds on two cores, and takes in all tasks but T-C, the sequences and the family
trees. It is a limit of work and not of time, so that a command draws the same figures everywhere.
"""


def _histories(plan: Any) -> Any:
    """Train the first seeds once more, watched; None where that is not cheap or there is a grid.

    A sweep of rows has compiled the program for it; one of counts has not.
    """
    from bpjax.histories import first_runs, histories_of

    task, network = plan.tasks[0], plan.tasks[0].network
    weights = sum(network.size(c.source) * network.size(c.target) for c in network.connections)
    work = weights * task.num_cases * task.recipe.max_epochs
    if len(plan.cells) > 1 or plan.summary_only or work > FAN_WORK:
        return None
    return histories_of(first_runs(plan, FAN_RUNS))


def _where_stopped(reached: Sequence[Any], folder: str) -> str:
    """Say what is kept of a stopped sweep, from its last progress if there was any."""
    if not reached or not reached[-1].done:
        return "stopped before the first run had ended"
    done, num_runs = reached[-1].done, reached[-1].total
    return f"stopped at {done:,} of {num_runs:,} runs, all of them stored in {folder}"


def print_summary(summary: Mapping[str, Any]) -> None:
    """Print a summary for people."""
    say(f"{summary['task']}: {summary['num_runs']:,} runs, criterion {summary['criterion']}")
    for name, value in _shown_settings(summary):
        say(f"  {name:<14} {value}")
    if "cells" in summary:
        _print_cells(summary["cells"])
    else:
        _print_outcome(summary)
    if summary["seconds"]:
        seconds = summary["seconds"]
        say(
            f"  time           compile {seconds['compile']:.1f} s, run {seconds['run']:.1f} s for "
            f"{seconds['runs']:,} runs, {rounded(summary['seed_epochs_per_second'] or 0)} "
            "seed-epochs/s"
        )
    if summary["occupancy"]:
        say(f"  lanes          {summary['occupancy']:.1%} of their epochs needed by a run")
    if summary["fallback"]:
        say(f"  implementation {summary['fallback']}")


def _print_cells(cells: Sequence[Mapping[str, Any]]) -> None:
    """Print one row per point of a grid; intervals in brackets."""
    names = list(cells[0]["settings"])
    level = f"{cells[0]['success_rate']['level']:.0%}"
    table = [[*names, f"solved ({level} interval)", "median epochs", "best restart -> expected"]]
    asked = any(cell["held_out"] for cell in cells)
    table[0] += ["held-out cases right, of converged runs"] * asked
    for cell in cells[:MOST_ROWS]:
        success, epochs, restart = cell["success_rate"], cell["epochs"], cell["restart"]
        table.append(
            [
                *(_text(cell["settings"][name]) for name in names),
                share_text(success),
                f"{_count(epochs['median'])} ({_count(epochs['low'])} to {_count(epochs['high'])})",
                "-"
                if restart is None
                else f"{restart['cutoff']:,} -> {restart['expected_epochs']:,.0f}",
                *[_share_right(cell["held_out"])] * asked,
            ]
        )
    say_table(table)
    if len(cells) > MOST_ROWS:
        say(f"  ... and {len(cells) - MOST_ROWS:,} more points of the grid, in summary.json")


def _print_outcome(outcome: Mapping[str, Any]) -> None:
    success, epochs, restart = outcome["success_rate"], outcome["epochs"], outcome["restart"]
    level = f"{success['level']:.0%}"
    say(
        f"  outcomes       {outcome['converged']:,} converged, "
        f"{outcome['max_epochs_reached']:,} at the cap, {outcome['nonfinite']:,} non-finite"
    )
    say(
        f"  success rate   {success['estimate']:.2%}  "
        f"({level} interval {success['low']:.2%} to {success['high']:.2%})"
    )
    for name, key in (("median", ""), ("quartile 1", "q25_"), ("quartile 3", "q75_")):
        estimate = epochs[key[:-1] or "median"]
        say(
            f"  {name:<14} {_epochs(estimate)}  ({level} interval "
            f"{_epochs(epochs[f'{key}low'])} to {_epochs(epochs[f'{key}high'])})"
        )
    if epochs["min"] is not None:
        say(f"  range          {epochs['min']:,} to {epochs['max']:,} epochs among the converged")
    if outcome["held_out"] is not None:
        say(f"  held out       {_answers(outcome['held_out'])}")
    if restart is not None:
        say(
            f"  restart        after {restart['cutoff']:,} epochs: "
            f"{restart['expected_epochs']:,.0f} epochs expected per solution, the least"
        )


def _answers(held_out: Mapping[str, Any]) -> str:
    """Say how runs answer the cases that they were not trained on."""
    num_cases, found = held_out["num_cases"], held_out["converged"]
    which = "converged runs" if found else "all runs"
    found = found or held_out["all_runs"]
    return (
        f"{share_text(found['share_right'])} of {num_cases} cases right, all of them in "
        f"{share_text(found['all_right'])} of {which}"
    )


def _share_right(held_out: Mapping[str, Any] | None) -> str:
    found = held_out and held_out["converged"]
    return share_text(found["share_right"]) if found else "-"


def _shown_settings(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what tells this sweep from others: all but what hardly anybody changes."""
    from bpjax.results.chunks import runs_text
    from bpjax.results.summary import told_settings

    settings = summary["settings"]
    shown = [("seeds", runs_text(summary["seeds"]["ranges"]).removeprefix("seeds "))]
    hidden = {"implementation", "block_size"}
    if settings["precision"] == "float32":
        hidden.add("precision")
    for name, value in told_settings(settings).items():
        if name not in hidden and value is not None:
            shown.append((name.replace("_", " "), _text(value)))
    return shown


def _epochs(value: Any) -> str:
    return "not reached" if value is None else f"{value:,} epochs"


def _count(value: Any) -> str:
    return "-" if value is None else f"{value:,}"


def _text(value: Any) -> str:
    if isinstance(value, list):
        few = value if len(value) <= 8 else [*value[:3], "...", *value[-2:]]
        return ", ".join(map(_text, few))
    return f"{value:g}" if isinstance(value, float) else str(value)
