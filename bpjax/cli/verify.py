"""`bpjax verify`: whether a results folder is whole."""

import dataclasses
from collections.abc import Sequence
from typing import Annotated

import tyro

from bpjax.cli.options import parse
from bpjax.cli.output import say


@dataclasses.dataclass(frozen=True)
class Options:
    """Check that every chunk is intact and every run is there exactly once; exit code 1 if not."""

    folder: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="DIR")]]
    """Results folder of a sweep."""


def main(words: Sequence[str]) -> int:
    """Print what is wrong with a folder, if anything."""
    options = parse(Options, "verify", words)
    from bpjax.sweeps.store import verify

    report = verify(options.folder)
    for damage in report.damaged:
        say(
            f"damaged: {damage.path} (runs {damage.start} to {damage.stop - 1}, {damage.seeds}): "
            f"{damage.reason}"
        )
    for start, stop in report.missing:
        say(f"missing: runs {start} to {stop - 1}")
    say(
        f"{report.num_chunks:,} chunks intact, {report.num_runs:,} runs in them, "
        f"{len(report.damaged)} chunks damaged, {len(report.missing)} ranges missing."
    )
    if not report.ok:
        say("The command that made the sweep, given again, computes what is not there.")
    return 0 if report.ok else 1
