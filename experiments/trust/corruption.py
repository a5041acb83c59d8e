"""P3: every file of results folders is damaged in many ways; nothing is ever silently read.

Folders of a sweep of rows, of one of counts, and of a run are damaged one file at a time. Then
either whoever reads says so, naming the file, and after a repair the bytes are what they were; or
the damage is harmless: all that is read is what it was.
"""

import random
import shutil
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bpjax import run_folder
from bpjax.errors import ResultsError
from bpjax.recording import Recording
from bpjax.repair import repair_sweep
from bpjax.results.store import SweepFolder, read_runs, verify
from bpjax.results.summary import recorded_timing
from bpjax.sweeps.host_loop import run_plan
from bpjax.sweeps.planning import make_plan
from bpjax.tasks import xor
from bpjax.training import plan_run, train_plan

FULL, QUICK = 10_000, 300
REPAIRS = 40
"""In so many cases, spread evenly, the folder is repaired too: that trains runs again."""


def made(home: Path) -> dict[str, Path]:
    """Make one folder of every kind, two sweeps of each, so that files can be mixed up."""
    folders = {}
    for name, settings in {
        "rows": {"max_epochs": 400},
        "other rows": {"max_epochs": 401},
        "counts": {"max_epochs": 400, "summary_only": True},
        "other counts": {"max_epochs": 401, "summary_only": True},
    }.items():
        folders[name] = home / name
        _sweep_in_chunks(home / name, settings)
    for name, seed in (("run", 7), ("other run", 8)):
        plan = plan_run(xor(), seed, max_epochs=60)
        folder = run_folder.claim(home / name, plan)
        run_folder.save(train_plan(plan, Recording(5)), folder, plan)
        folders[name] = folder
    return folders


def _sweep_in_chunks(path: Path, settings: dict[str, Any]) -> None:
    """Train a sweep and store it again in three chunks, as a longer one has."""
    plan = make_plan(xor(), 90, **settings)
    whole = path.with_name(f"{path.name} whole")
    run_plan(plan, whole)
    source = SweepFolder.open_for_reading(whole)
    with SweepFolder.open_for_writing(path, source.identity, source.environment) as folder:
        for first in range(0, 90, 30):
            runs = [(first, first + 30)]
            columns = dict(read_runs(whole).columns)
            if plan.summary_only:
                part = make_plan(xor(), 30, first_seed=first, **settings)
                columns = dict(run_plan(part).table.columns)
            else:
                columns = {name: column[first : first + 30] for name, column in columns.items()}
            folder.publish_chunk(runs, columns)
    run_plan(plan, path)
    shutil.rmtree(whole)


def damaged(data: bytes, dice: random.Random) -> tuple[str, bytes | None]:
    """Return what was done to a file's bytes and what came of it; None if it was deleted."""
    place = dice.randrange(len(data))
    length = dice.choice((1, 16, 512))
    block = data[place : place + length]
    other = dice.randrange(len(data))
    return dice.choice(
        [
            ("flip", _with(data, place, bytes([data[place] ^ 1 << dice.randrange(8)]))),
            ("byte", _with(data, place, bytes([dice.randrange(256)]))),
            ("cut", data[:place]),
            ("cut in front", data[place:]),
            ("longer", data + bytes(length)),
            ("zeroed", _with(data, place, bytes(len(block)))),
            ("moved", _with(data, other, block)[: len(data)]),
            ("twice", data[:place] + block + data[place:]),
            ("gone", None),
        ]
    )


def _with(data: bytes, place: int, block: bytes) -> bytes:
    return data[:place] + block + data[place + len(block) :]


def files_of(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder that are read back."""
    names = [path for path in sorted(folder.rglob("*")) if path.suffix in (".json", ".npz", ".csv")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in names}


def read_sweep(folder: Path) -> Any:
    """Return all that any command reads of a sweep's folder, fit to be compared."""
    table = read_runs(folder)
    opened = SweepFolder.open_for_reading(folder)
    columns = {name: (column.dtype, column.tobytes()) for name, column in table.columns.items()}
    return columns, table.identity, opened.environment, recorded_timing(opened)


def read_run(folder: Path) -> Any:
    """Return all that any command reads of a run's folder, fit to be compared."""
    saved = run_folder.load_run(folder)
    history = {
        name: {key: np.asarray(part).tobytes() for key, part in value.items()}
        if isinstance(value, dict)
        else np.asarray(value).tobytes()
        for name, value in saved.history._asdict().items()
    }
    weights = saved.snapshots.weights.tobytes(), saved.snapshots.epoch.tobytes()
    return history, weights, saved.identity, saved.environment, saved.outcome, saved.weight_names


def faults_of(folder: Path, is_run: bool) -> set[str]:
    """Return the files that `bpjax verify` names, relative to the folder."""
    if is_run:
        named = [fault.path for fault in run_folder.verify_run(folder)[1]]
    else:
        report = verify(folder)
        named = [fault.path for fault in report.faults]
        named += [damage.path for damage in report.damaged]
        if report.missing:
            named.append(folder / "chunks")
    return {str(path.relative_to(folder)) for path in named}


def try_one(
    folder: Path, name: str, change: bytes | None, truth: Any, before: dict[str, bytes], mend: bool
) -> str:
    """Damage one file and look who notices; return what is wrong, "" if all is well."""
    file, is_run = folder / name, not (folder / "sweep-copy.json").exists()
    read: Callable[[Path], Any] = read_run if is_run else read_sweep
    file.unlink()
    if change is not None:
        file.write_bytes(change)
    found = None
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            found = read(folder)
        told = any(file.name in str(warning.message) for warning in said)
    except ResultsError as fault:
        told = file.name in str(fault) or (change is None and "missing" in str(fault))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        named = faults_of(folder, is_run)
        wrong = _wrong(found, truth, told, name, named, change)
        if mend and not wrong and not is_run:
            repair_sweep(folder)
            if change is None and name.startswith("chunks"):
                run_plan_again(folder)
            after = files_of(folder)
            made_again = {"summary.json"}
            differ = {key for key in before if after.get(key) != before[key]} - made_again
            if differ or read(folder)[:3] != truth[:3]:
                wrong = f"after the repair {sorted(differ)} differ"
    return wrong


def run_plan_again(folder: Path) -> None:
    """Resume a sweep: what `bpjax sweep` does in its folder."""
    from bpjax.told import told_plan

    plan = told_plan(SweepFolder.open_for_reading(folder).identity)
    if plan is not None:
        run_plan(plan, folder)


def _wrong(
    found: Any, truth: Any, told: bool, name: str, named: set[str], change: bytes | None
) -> str:
    summary_gone = name == "summary.json" and change is None  # it can be made again
    if found is not None and found != truth and not told and not summary_gone:
        return "silently read"
    if found is None and not told:
        return "refused, and the file is not named"
    lost_chunk = change is None and name.startswith("chunks")
    if name in named or (lost_chunk and "chunks" in named) or summary_gone:
        return ""
    return "verify does not name it"


def measure(full: bool) -> dict[str, Any]:
    """Damage files, thousands of times, and count what was not noticed."""
    tried = 0
    failures: list[str] = []
    kinds: dict[str, int] = {}
    dice = random.Random(1986)
    number = FULL if full else QUICK
    with tempfile.TemporaryDirectory() as home, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folders = made(Path(home))
        truth = {
            name: (read_run if "run" in name else read_sweep)(path)
            for name, path in folders.items()
        }
        before = {name: files_of(path) for name, path in folders.items()}
        attacked = [name for name in folders if not name.startswith("other")]
        mended = 0
        while tried < number:
            kind = attacked[tried % len(attacked)]
            files = before[kind]
            name = dice.choice(sorted(files))
            if dice.random() < 0.1:  # a file in the place of another
                how = "swapped"
                others = [
                    data
                    for source in (kind, f"other {kind}")
                    for data in before[source].values()
                    if data != files[name]
                ]
                change: bytes | None = dice.choice(others)
            else:
                how, change = damaged(files[name], dice)
            if change == files[name]:
                continue
            work = Path(home) / "work"
            shutil.copytree(folders[kind], work)
            mend = tried >= mended * number // REPAIRS
            mended += mend
            wrong = try_one(work, name, change, truth[kind], files, mend)
            shutil.rmtree(work)
            tried += 1
            kinds[how] = kinds.get(how, 0) + 1
            if wrong:
                failures.append(f"{kind}, {name}, {how}: {wrong}")
    return {
        "tried": tried,
        "failed": len(failures),
        "kinds": kinds,
        "repaired": mended,
        "failures": failures[:20],
        "words": (
            f"{tried:,} damaged files of sweeps and runs: {len(failures)} silently read or not "
            f"named; {mended} folders were repaired, each to the same bytes."
        ),
    }
