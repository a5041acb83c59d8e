"""What a report says of one watched run."""

from bpjax.report import tables
from bpjax.report.command import Repeat, repeat
from bpjax.report.figures import figures_of_run
from bpjax.report.folders import WatchedRun
from bpjax.report.parts import (
    Number,
    Part,
    before,
    machine_facts,
    no_command,
    setting_facts,
    source_facts,
    task_of,
)
from bpjax.report.words import count
from bpjax.run_folder import SavedRun


def run_part(run: WatchedRun) -> Part:
    """Return what is said of one watched run."""
    saved, outcome = run.run, run.run.outcome
    again = repeat(saved.identity, "train")
    known = task_of(again, run.source)
    loss, error = (
        "not finite" if outcome[name] is None else f"{outcome[name]:.4g}"
        for name in ("loss", "mean_squared_error")
    )
    ended = {
        "CONVERGED": "converged after",
        "MAX_EPOCHS": "had not converged at its cap of",
        "NONFINITE": "left the finite numbers after",
    }[outcome["status"]]
    right = f"{outcome['num_right']} of {outcome['num_cases']}"
    lead = (
        f"Seed {outcome['seed']} {ended} {count(outcome['epochs'])} epochs (criterion "
        f"{outcome['criterion']}); loss {loss}, {right} cases right."
    )
    numbers = [
        Number("epochs", count(outcome["epochs"]), outcome["status"]),
        Number("cases right", right, f"criterion {outcome['criterion']}"),
        Number("loss", loss, "at the end"),
        Number("mean squared error", error, "of the outputs"),
    ]
    if outcome["num_held_out"]:
        held = f"{outcome['num_held_out_right']} of {outcome['num_held_out']}"
        numbers.append(Number("held-out cases right", held, "not trained on"))
    task = saved.identity["task"]
    settings = {**task["options"], **task["recipe"], "precision": saved.identity["precision"]}
    facts = [("task", outcome["task"]), ("network", outcome["network"])]
    facts += [*setting_facts(settings), ("seed", str(outcome["seed"]))]
    weights = tables.weights(saved)
    command = (before(again), _recorded(again, saved)) if again else no_command(run.source)
    return Part(
        name=run.name,
        task=outcome["task"],
        title=known.title if known else outcome["task"],
        lead=lead,
        numbers=numbers,
        notes=[],
        tables=[weights] if weights else [],
        figures=figures_of_run(run, known),
        facts=[*facts, *machine_facts(run.source), *source_facts(known)],
        commands=[command],
        made=tables.sources([run.source]),
    )


def _recorded(again: Repeat, saved: SavedRun) -> str:
    """Return the command with how often history and weights were recorded, as far as they show."""
    line = again.line
    for option, epoch, usual in (
        ("--record-every", saved.history.epoch, 2),
        ("--snapshot-every", saved.snapshots.epoch, 2),
    ):
        if len(epoch) > usual and (option == "--snapshot-every" or epoch[1] != 1):
            line += f" {option} {epoch[1]}"
    return line
