"""One self-contained HTML page from results folders: no script, no request, nothing to install.

`folders` reads and checks, `tables`, `figures` and `command` turn results into text and images,
`sweeps`, `runs`, `records` and `comparison` say what there is to say, `report.html` lays it out.
"""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import jinja2

from bpjax.errors import ResultsError
from bpjax.report.comparison import comparison
from bpjax.report.folders import Sweep, load
from bpjax.report.parts import Part
from bpjax.report.records import READ_LIKE_THIS, record_part, split
from bpjax.report.runs import run_part
from bpjax.report.sweeps import summary_of, sweep_part
from bpjax.results.files import explained, probe, publish
from bpjax.version import __version__

_MARK = b'<meta name="generator" content="bpjax report'


def report(folders: Sequence[str | PathLike[str]]) -> str:
    """Return a page about results folders, of `bpjax sweep` and `bpjax train`, and bench records.

    Shards of one sweep are merged. The points of a grid, and several sweeps, are compared as pairs
    over the same seeds, and with the log-rank test; no two of them are ever taken together. A sweep
    that is not finished is reported as far as it is there.

    Args:
      folders: at least one; or files of `bpjax bench --json`, which come last.

    Returns:
      HTML. Whatever text the folders hold is shown as text.

    Raises:
      ResultsError: if a folder cannot be used, or a file in it is damaged.
    """
    if not folders:
        raise ResultsError("a report needs at least one results folder.")
    records, places = split(folders)
    found = load(places)
    sweeps = [part for part in found if isinstance(part, Sweep)]
    summaries = {id(sweep): summary_of(sweep) for sweep in sweeps}
    parts = [
        sweep_part(part, summaries[id(part)]) if isinstance(part, Sweep) else run_part(part)
        for part in found
    ]
    parts += map(record_part, records)
    several = comparison(sweeps, list(summaries.values())) if sweeps else None
    return _template().render(
        heading=_heading(parts, len(sweeps), len(records)),
        parts=parts,
        comparison=several,
        num_sweeps=len(sweeps),
        num_records=len(records),
        read_records=READ_LIKE_THIS,
        version=__version__,
    )


def _heading(parts: Sequence[Part], num_sweeps: int, num_records: int) -> str:
    if len(parts) == 1:
        return parts[0].title
    num_runs = len(parts) - num_sweeps - num_records
    numbers = (num_sweeps, "sweep"), (num_runs, "run"), (num_records, "record")
    words = [f"{number} {word}{'s' * (number > 1)}" for number, word in numbers if number]
    return f"{' and '.join(words)}: {', '.join(dict.fromkeys(part.task for part in parts))}"


def write_report(
    folders: Sequence[str | PathLike[str]], out: str | PathLike[str] | None = None
) -> Path:
    """Write `report` to a file, whole or not at all, and return the file.

    Args:
      folders: at least one.
      out: the file; None stands for `report.html` in the first folder, or beside a record. An
        older report there is replaced.

    Raises:
      ResultsError: as `report`; and if the file is there and no report, or cannot be written.
    """
    if not folders:
        raise ResultsError("a report needs at least one results folder.")
    first = Path(folders[0])
    home = first if split([first])[1] else first.parent
    file = home / "report.html" if out is None else Path(out)
    _refuse_other_files(file)
    if file.parent.is_dir():
        probe(file.parent)
    publish(file, report(folders).encode())
    return file


def _refuse_other_files(file: Path) -> None:
    with explained("write", file):
        if not file.exists():
            return
        if file.is_file():
            with file.open("rb") as there:
                if _MARK in there.read(2000):
                    return
        raise ResultsError(
            f"{str(file)!r} is there and not a report of bpjax; choose another file."
        )


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("bpjax.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")
