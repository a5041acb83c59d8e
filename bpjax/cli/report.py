"""`bpjax report`: one page about results, to be read by people."""

import dataclasses
from collections.abc import Sequence
from typing import Annotated

from bpjax.cli.options import Folders, arg, check_folders, parse
from bpjax.cli.output import say, say_raw


@dataclasses.dataclass(frozen=True)
class Options:
    """Write one self-contained HTML page about sweeps, runs and records of the bench.

    Several sweeps are compared with the log-rank test; folders that hold parts of one are merged.
    A sweep that is not finished is reported as far as it is there.
    """

    folders: Folders
    """Results folders of `bpjax sweep` or `bpjax train`, or files of `bpjax bench --json`."""
    out: Annotated[str | None, arg("FILE", "report.html in the first DIR")] = None
    """File to write; - for standard output."""


def main(words: Sequence[str]) -> int:
    """Write a report."""
    options = parse(Options, "report", words)
    check_folders(options.folders)

    import jax

    from bpjax.report import report, write_report

    jax.config.update("jax_platforms", "cpu")  # nothing is trained: leave accelerators alone
    if options.out == "-":
        say_raw(report(options.folders).encode())
        return 0
    say(f"report: {write_report(options.folders, options.out)}")
    return 0
