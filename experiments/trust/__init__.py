"""Every promise, attacked: the proofs P0 to P20 and the page of their latest figures.

    python -m experiments.trust

tries all of them in full, in about an hour on two cores, and keeps their records and the page
in experiments/results/trust. `--quick` takes minutes and keeps results/trust-quick; `--only NAME`
tries some. A record is saved as soon as it is measured, so an interrupted one is not lost: the
page is drawn from the records there are. As many proofs run at a time as there are cores, those
first that took longest before. The exit code is 1 if any promise failed.

Each proof is a module of this package with one function `measure(full)`, which returns what
`results.json` holds of it, fit for JSON: at least how many attacks were `tried`, how many `failed`
(of which the promise did not hold), and `words`, one sentence with the figures. It runs in a
process of its own.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from bpjax.sweeps.devices import num_cores
from experiments.study import results_folder
from experiments.trust.page import write_up
from experiments.trust.promises import PROOFS


def default_folder(full: bool) -> Path:
    """Return where the records go: only full ones may replace the published."""
    return results_folder("trust", "full" if full else "quick", "full")


def records_in(folder: Path) -> dict[str, Any]:
    """Return the records of a folder by proof; none if there is no such folder."""
    kept = folder / "results.json"
    return json.loads(kept.read_text()) if kept.exists() else {}


def prove(name: str, full: bool) -> dict[str, Any]:
    """Return the record of one proof, measured in a process of its own.

    A proof that does not come to an end, for whatever reason, is a record that failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "record.json"
        command = [sys.executable, "-m", "experiments.trust.proof", name, str(out)]
        done = subprocess.run(command + ([] if full else ["--quick"]))
        if out.exists():
            return json.loads(out.read_text())
    return {"tried": 1, "failed": 1, "words": f"The proof ended with code {done.returncode}."}


def save(name: str, record: dict[str, Any], folder: Path) -> None:
    """Put one record among those of the folder, and draw the page anew."""
    folder.mkdir(parents=True, exist_ok=True)
    records = records_in(folder) | {name: record}
    fresh = folder / "results.json.new"
    fresh.write_text(json.dumps(records, indent=1) + "\n")
    fresh.replace(folder / "results.json")
    (folder / "README.md").write_text(write_up(records))


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, save, say; exit code 1 if anything failed."""
    parser = argparse.ArgumentParser(prog="experiments.trust", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--quick", action="store_true", help="minutes instead of hours")
    parser.add_argument("--only", nargs="+", choices=PROOFS, default=PROOFS, metavar="NAME")
    parser.add_argument("--out", type=Path, help="folder for the records and the page")
    parser.add_argument("--jobs", type=int, default=num_cores(), help="so many at a time")
    options = parser.parse_args(argv)
    full, folder = not options.quick, options.out or default_folder(not options.quick)
    took = {name: record.get("seconds", 0) for name, record in records_in(folder).items()}
    names = sorted(options.only, key=lambda name: -took.get(name, math.inf))
    failed = []
    with ThreadPoolExecutor(options.jobs) as pool:
        proofs = {pool.submit(prove, name, full): name for name in names}
        for place, proof in enumerate(as_completed(proofs), 1):
            name, record = proofs[proof], proof.result()
            save(name, record, folder)
            said = f"{name}: {record.get('seconds', 0):.0f} s. {record['words']}"
            print(f"{place} of {len(names)}: {said}", flush=True)
            if record["failed"] or not record["tried"]:
                failed.append(name)
    print(f"Saved in {folder}." + (f" FAILED: {', '.join(failed)}." if failed else ""))
    return 1 if failed else 0
