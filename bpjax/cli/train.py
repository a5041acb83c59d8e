"""`bpjax train`: one run, watched."""

import dataclasses
import functools
import json
import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from bpjax.cli import stopping
from bpjax.cli.config import with_config
from bpjax.cli.options import OfTask, Task, arg, command_of, parse, single_task
from bpjax.cli.output import progress_line, say, warn
from bpjax.cli.words import whole


@dataclasses.dataclass(frozen=True)
class Options:
    """Train one run and watch it; saves its history, weights and figures.

    The run is the one that `bpjax sweep` counts under the same seed and settings. One that was
    stopped goes on with the same command, and ends as if it had never been.
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
    start_again: bool = False
    """Forget what is kept of a run that was stopped, and begin it anew."""
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
    from bpjax.run_part import forget_part, keep_part
    from bpjax.sweeps.devices import keep_compiled_programs, use_all_cpu_cores
    from bpjax.training import check_history, plan_run, train_plan

    use_all_cpu_cores()
    keep_compiled_programs()

    recording = Recording(record_every, snapshot_every)
    plan = plan_run(task, seed, **settings)
    check_history(plan, recording)
    folder = claim(options.out or default_folder(plan), plan)
    part = None if options.start_again else _kept(folder, plan, recording)
    if options.start_again:
        forget_part(folder)
    resume = f"Resume with: {shlex.join(['bpjax', 'train', *_without_again(words)])}"
    at_once = f"stopped at once; what was kept, every few seconds, is in {folder}. {resume}"
    keeper = _Keeper(functools.partial(keep_part, folder, plan, recording))
    outcome = None
    try:
        with progress_line() as line, stopping.politely(at_once):
            run = train_plan(plan, recording, lambda at: line.show(at.line()), keeper.look, part)
            outcome = save(run, folder, plan, command_of("train", options.task, words))
    except KeyboardInterrupt:
        where = f"stopped at epoch {keeper.epoch:,}, which is kept in {folder}. {resume}"
        if outcome is not None:
            where = f"stopped; the run is in {folder}, but no figures"
        warn(where if keeper.epoch or outcome else "stopped before the first epoch")
        raise
    stopping.say(f"stopped; the run is in {folder}, but not all figures")
    if options.json:
        say(json.dumps({"folder": str(folder), **outcome}, indent=2))
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


SECONDS_PER_PART = 10.0
"""How often a run is kept as it stands: what a kill can cost."""
COST = 20
"""Or so many times as long as that takes, where it takes long."""


class _Keeper:
    """Keeps a run now and then, and when a signal has come: then it stops the training."""

    def __init__(self, keep: Callable[[Any], None]):
        self.keep, self.pause, self.epoch = keep, SECONDS_PER_PART, 0
        self.kept = time.monotonic()

    def look(self, part: Callable[[], Any]) -> None:
        try:
            stopping.check()
        except KeyboardInterrupt:
            self._keep(part())
            raise
        if time.monotonic() - self.kept > self.pause:
            self._keep(part())

    def _keep(self, part: Any) -> None:
        began = time.monotonic()
        self.keep(part)
        self.epoch, self.kept = part.epoch, time.monotonic()
        self.pause = max(SECONDS_PER_PART, COST * (self.kept - began))


def _kept(folder: Path, plan: Any, recording: Any) -> Any:
    """Return what a folder keeps of a run that was stopped, and say that it goes on; or None."""
    from bpjax.run_part import NAME, part_of_run

    try:
        part = part_of_run(folder, plan, recording)
    except ValueError as fault:
        warn(f"{str(folder / NAME)!r} is damaged and not used: {fault}; the run starts again.")
        return None
    if part is not None:
        warn(f"The run goes on from epoch {part.epoch:,}; --start-again begins it anew.")
    return part


def _without_again(words: Sequence[str]) -> list[str]:
    return [word for word in words if word != "--start-again"]
