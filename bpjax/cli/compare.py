"""`bpjax compare`: settings beside one another over the same seeds."""

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from bpjax.cli.options import Folders, arg, check_folders, parse
from bpjax.cli.output import say
from bpjax.errors import SettingError


@dataclasses.dataclass(frozen=True)
class Options:
    """Compare settings over the same seeds, run by run: how often and how soon each one solves.

    The points of one sweep's grid, or several sweeps, are held against the first.
    """

    folders: Folders
    """Results folders of sweeps; those that hold parts of one sweep are merged."""
    base: Annotated[str | None, arg("NAME", "the first")] = None
    """The setting that the others are held against, as the table names it."""
    json: bool = False
    """Print the numbers as JSON."""


def main(words: Sequence[str]) -> int:
    """Read the sweeps, compare and print."""
    options = parse(Options, "compare", words)
    check_folders(options.folders)

    from bpjax.comparing import compare
    from bpjax.loading import load
    from bpjax.results.files import names_in
    from bpjax.results.manifest import is_run_folder
    from bpjax.results.store import by_sweep
    from bpjax.sweeps.result import SweepResult

    results: dict[str, SweepResult] = {}
    for folder in options.folders:
        if os.path.isdir(folder) and is_run_folder(names_in(Path(folder))):
            raise SettingError("DIR", "must be the folder of a sweep, not of one run", folder)
    for folders in by_sweep(options.folders):
        result = load(*folders)
        assert isinstance(result, SweepResult)
        results[", ".join(folders)] = result
    found = compare(results, options.base)
    if options.json:
        say(json.dumps([_told(one) for one in found], indent=2))
    else:
        _say(found)
    return 0


def _told(one: Any) -> dict[str, Any]:
    told = one._asdict() | {"solved": one.solved._asdict()}
    if one.pairs is not None:
        pairs = one.pairs._asdict()
        intervals = {key: pairs[key]._asdict() for key in ("difference", "faster")}
        told["pairs"] = {**pairs, **intervals}
    return told


def _say(found: Sequence[Any]) -> None:
    """Print every setting in a few lines of at most 80 columns."""
    base, *others = found
    say(f"{_solved(base)}; beside it:")
    for one in others:
        say(f"\n{_solved(one)}")
        for line in ["no seed is in common: no pairs"] if one.pairs is None else _lines(one.pairs):
            say(f"  {line}")


def _solved(one: Any) -> str:
    return f"{one.name}: {_percent(one.solved)} of {one.num_runs:,} runs solved"


def _lines(pairs: Any) -> list[str]:
    estimate, low, high = (f"{100 * share:+.2f}" for share in pairs.difference[:3])
    alone = f"only it {pairs.only_second:,}, only the first {pairs.only_first:,}"
    told = pairs.first_faster + pairs.second_faster
    sooner = f"in {_percent(pairs.faster)} of {told:,} pairs that tell" if told else "no pair tells"
    return [
        f"solved  {estimate} % ({low} to {high}) over {pairs.num_pairs:,} pairs, "
        f"p {_p(pairs.solved_pvalue)}",
        f"        {alone}; unpaired {pairs.sharper:.2f} x as wide",
        f"sooner  {sooner}, p {_p(pairs.faster_pvalue)}",
    ]


def _percent(share: Any) -> str:
    low, high = 100 * share.low, 100 * share.high
    return f"{100 * share.estimate:.2f} % ({low:.2f} to {high:.2f})"


def _p(value: float) -> str:
    return "below 0.0001" if value < 0.0001 else f"= {value:.4f}"
