"""`bpjax export`: the per-run table for other programs."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from bpjax.cli.options import Folders, arg, check_folders, parse
from bpjax.cli.output import say, say_raw, warn


@dataclasses.dataclass(frozen=True)
class Options:
    """Write the per-run table of a sweep, or the counts of one that kept no rows.

    Folders that hold parts of it, shards or other seeds, are merged.
    """

    folders: Folders
    """Results folders of one sweep."""
    format: Annotated[str | None, arg("NAME", "as FILE is named, or csv")] = None
    """csv or parquet."""
    out: Annotated[str | None, arg("FILE", "runs.csv or runs.parquet in DIR")] = None
    """File to write; - for standard output."""
    partial: bool = False
    """Accept a sweep that is not finished."""


def main(words: Sequence[str]) -> int:
    """Export one sweep."""
    options = parse(Options, "export", words)
    check_folders(options.folders)

    from bpjax.results.chunks import num_runs_of
    from bpjax.results.export import export_table, format_of, table_bytes
    from bpjax.results.files import probe_file
    from bpjax.results.store import read_runs

    format = format_of(options.out, options.format)
    file = options.out or f"{options.folders[0]}/runs.{format}"
    if file != "-" and os.path.isdir(os.path.dirname(file) or "."):
        probe_file(Path(file))
    table = read_runs(*options.folders, allow_partial=options.partial)
    if missing := num_runs_of(table.missing):
        warn(
            f"Not finished: {missing:,} runs are missing, those that take longest most of all; "
            "statistics of this table look better than they will be."
        )
    if options.out == "-":
        say_raw(table_bytes(table, format))
        return 0
    export_table(table, file, format)
    what = f"{num_runs_of(table.held):,} runs"
    if "count" in table.columns:
        what = f"{len(table.columns['count']):,} outcomes of {what}"
    say(f"{what}: {file}")
    return 0
