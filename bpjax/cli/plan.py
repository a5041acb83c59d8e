"""`bpjax plan`: how many seeds a question is likely to need, and how long they take."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Annotated

from bpjax.cli import stopping
from bpjax.cli.config import with_config
from bpjax.cli.options import OfTask, Task, arg, parse
from bpjax.cli.output import progress_line, say
from bpjax.cli.table import as_fault_of, asked_for
from bpjax.cli.until import numbers_of, pilot_line, print_forecasts, told_forecast


@dataclasses.dataclass(frozen=True)
class Options:
    """Train a pilot and say how many seeds `bpjax sweep --until` is likely to need, and how long.

    Nothing is kept of the pilot.
    """

    settings: OfTask
    task: Task = None
    """One of `bpjax tasks`; or a file of your own: FILE.toml, or FILE.py:NAME, which is run."""
    until: Annotated[str | None, arg("WHAT", "several usual ones")] = None
    """What is to be known: 'success_rate +- 0.005', 'median +- 2%' or 'expected_epochs +- 2%'."""
    pilot: Annotated[str | None, arg("N", "400")] = None
    """Seeds that are trained now, for every point of the grid."""
    seeds: Annotated[str | None, arg("N", "1000000")] = None
    """The most that may be used."""
    first_seed: Annotated[str | None, arg("K", "0")] = None
    """The first of them."""
    zipped: bool = False
    """Lists make points together: the first values of all one point, the second ones the next."""
    table: Annotated[str | None, arg("FILE", "none")] = None
    """CSV file with a column for every setting and a row for every point, instead of lists."""
    config: Annotated[str | None, arg("FILE", "none")] = None
    """TOML file that holds any of these options; the command line wins."""
    json: bool = False
    """Print the numbers as JSON on standard output, and nothing else there."""


def main(words: Sequence[str]) -> int:
    """Train the pilot, showing its progress, and print what it says."""
    options = with_config(parse(Options, "plan", words))
    arguments = numbers_of(options)
    variants, settings = asked_for(options)

    from bpjax.analysis.sequential import read_target
    from bpjax.sweeps.devices import keep_compiled_programs, use_all_cpu_cores
    from bpjax.sweeps.host_loop import Progress, run_plan
    from bpjax.sweeps.until import PILOT, USUAL, first_of, foretold, plan_until

    use_all_cpu_cores()
    keep_compiled_programs()
    targets = [read_target(text) for text in ([options.until] if options.until else USUAL)]
    with as_fault_of(options.table):
        plan = plan_until(variants, **arguments, **settings)
    pilot = first_of(plan, arguments.get("pilot", PILOT))
    stopping.say("stopped; nothing is kept of a pilot")
    with progress_line() as line:

        def show(at: Progress) -> None:
            stopping.check()
            line.show(at.line())

        result = run_plan(pilot, None, show, check=stopping.check)
    forecasts = [foretold(plan, result, target) for target in targets]
    if options.json:
        say(json.dumps([told_forecast(forecast) for forecast in forecasts], indent=2))
    else:
        say(f"{plan.tasks[0].name}, {pilot_line(result.summary())}")
        print_forecasts(forecasts, plan.num_seeds)
    return 0
