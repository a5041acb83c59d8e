"""`bpjax bench compare`: two records of a bench side by side."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from bpjax.cli.options import arg, parse
from bpjax.cli.output import say
from bpjax.errors import SettingError


@dataclasses.dataclass(frozen=True)
class Options:
    """Compare two records of `bpjax bench --json`: how many times as fast the second one is.

    Each quotient has the interval that its rounds give. Records of different suites are refused.
    """

    records: tyro.conf.Positional[
        Annotated[tuple[str, ...], tyro.conf.arg(metavar="A.json B.json", help_behavior_hint="")]
    ]
    """The two records; the first is what the second is held against."""
    json: bool = False
    """Print the numbers as JSON."""
    out: Annotated[str | None, arg("FILE", "none")] = None
    """Draw the quotients as FILE.png and FILE.svg."""


def main(words: Sequence[str]) -> int:
    """Read two records, compare, print and draw."""
    options = parse(Options, "bench compare", words)
    if len(options.records) != 2:
        raise SettingError("A.JSON B.JSON", "must be two records", list(options.records))

    from bpjax.bench.compare import compare, told
    from bpjax.bench.reading import read_record
    from bpjax.bench.table import render_comparison

    names = _names(options.records)
    found = compare(names, *map(read_record, options.records))
    say(json.dumps(told(found), indent=2) if options.json else render_comparison(found))
    if options.out is not None:
        from bpjax.bench.figure import compared_figure
        from bpjax.plots import save_figure

        bare = Path(options.out.removesuffix(".png").removesuffix(".svg"))
        files = save_figure(compared_figure(found).figure, bare)
        if not options.json:
            say(f"\nfigure: {', '.join(map(str, files))}")
    return 0


def _names(records: Sequence[str]) -> list[str]:
    """Return the names of two files; their paths where they have one name."""
    names = [Path(record).name for record in records]
    return list(records) if names[0] == names[1] else names
