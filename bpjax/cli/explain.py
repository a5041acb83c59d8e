"""`bpjax explain`: one run as a page on which the two passes can be followed step by step."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from bpjax.cli import stopping
from bpjax.cli.config import with_config
from bpjax.cli.options import OfTask, Task, arg, parse, single_task
from bpjax.cli.output import progress_line, say
from bpjax.cli.words import whole


@dataclasses.dataclass(frozen=True)
class Options:
    """Train one run and write one HTML page: choose an epoch and a case, and follow both passes.

    The page opens from the disk in any current browser and loads nothing from the network. Its run
    is that of `bpjax train` with the same settings, in float64 unless told otherwise.
    """

    settings: OfTask
    task: Task = None
    """One of `bpjax tasks`; or a file of your own: FILE.toml, or FILE.py:NAME, which is run."""
    seed: Annotated[str | None, arg("N", "0")] = None
    """Which run: 0 to 2**32 - 1."""
    out: Annotated[str | None, arg("FILE", "TASK-seed-N.html")] = None
    """The page."""
    config: Annotated[str | None, arg("FILE", "none")] = None
    """TOML file that holds any of these options; the command line wins."""


def main(words: Sequence[str]) -> int:
    """Train one run, showing its progress, and write its page."""
    options = with_config(parse(Options, "explain", words))
    seed = whole("seed", "0" if options.seed is None else options.seed)
    task, settings = single_task(options.task, options.settings)
    out = Path(options.out or f"{task.name}-seed-{seed}.html")

    from bpjax.explain import page
    from bpjax.explain.lesson import functions_of
    from bpjax.recording import Recording
    from bpjax.results.files import explained, make_folders, probe_file, publish
    from bpjax.sweeps.devices import keep_compiled_programs, use_all_cpu_cores
    from bpjax.training import plan_run, train_plan

    use_all_cpu_cores()
    keep_compiled_programs()
    plan = plan_run(task, seed, **{"precision": "float64"} | settings)
    functions_of(plan.tasks[0])  # what makes no page is refused before anything is trained
    with explained("create", out.parent):
        make_folders(out.parent)
    probe_file(out)
    stopping.say("stopped; nothing is kept of an unfinished run")
    with progress_line() as line:
        run = train_plan(plan, Recording(snapshot_every=1), lambda at: line.show(at.line()))
    publish(out, page(run, ["bpjax", "explain", *words]).encode())
    say(run.describe())
    say(f"open in a browser: {out}")
    return 0
