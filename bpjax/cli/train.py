"""`bpjax train`: one run, watched."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Annotated

from bpjax.cli import stopping
from bpjax.cli.config import with_config
from bpjax.cli.options import OfTask, Task, arg, command_of, parse, single_task
from bpjax.cli.output import progress_line, say
from bpjax.cli.words import whole


@dataclasses.dataclass(frozen=True)
class Options:
    """Train one run and watch it; saves its history, weights and figures.

    The run is the one that `bpjax sweep` counts under the same seed and settings.
    """

    settings: OfTask
    task: Task = None
    """One of `bpjax tasks`; or a file of your own: FILE.toml, or FILE.py:NAME, which is run."""
    seed: Annotated[str | None, arg("N", "0")] = None
    """Which run: 0 to 2**32 - 1."""
    record_every: Annotated[str | None, arg("N", "1")] = None
    """Epochs between two entries of the history."""
    snapshot_every: Annotated[str | None, arg("N", "first and last")] = None
    """Epochs between two snapshots of all weights."""
    out: Annotated[str | None, arg("DIR", "results/TASK-seed-N-...")] = None
    """Folder for the results."""
    config: Annotated[str | None, arg("FILE", "none")] = None
    """TOML file that holds any of these options; the command line wins."""
    no_figures: bool = False
    """Draw nothing."""
    json: bool = False
    """Print the outcome as JSON on standard output, and nothing else there."""


def main(words: Sequence[str]) -> int:
    """Train one run, showing its progress, and save it."""
    options = with_config(parse(Options, "train", words))
    seed = whole("seed", "0" if options.seed is None else options.seed)
    task, settings = single_task(options.task, options.settings)
    record_every = 1
    if options.record_every is not None:
        record_every = whole("record_every", options.record_every)
    snapshot_every = None
    if options.snapshot_every is not None:
        snapshot_every = whole("snapshot_every", options.snapshot_every)

    from bpjax.recording import Recording
    from bpjax.run_folder import claim, default_folder, save
    from bpjax.sweeps.devices import keep_compiled_programs, use_all_cpu_cores
    from bpjax.training import check_history, plan_run, train_plan

    use_all_cpu_cores()
    keep_compiled_programs()

    recording = Recording(record_every, snapshot_every)
    plan = plan_run(task, seed, **settings)
    check_history(plan, recording)
    folder = claim(options.out or default_folder(plan), plan)
    stopping.say("stopped; nothing is kept of an unfinished run")
    with progress_line() as line:
        run = train_plan(plan, recording, lambda at: line.show(at.line()))
    outcome = save(run, folder, plan, command_of("train", options.task, words))
    stopping.say(f"stopped; the run is in {folder}, but not all figures")
    if options.json:
        say(json.dumps(outcome, indent=2))
    else:
        say(run.describe())
        what = "history and weights" if options.no_figures else "history, weights and figures"
        if plan.fallback:
            say(f"implementation: {plan.fallback}")
        say(f"{what}: {folder}")
    if not options.no_figures:
        from bpjax.figures.draw import draw_run

        draw_run(run, folder / "figures")
    return 0
