"""What the studies share: their command line, where results go, and how numbers are written."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def results_folder(name: str, num_runs: int, published_runs: int) -> Path:
    """Return where the results go: only the published number of runs may replace the published.

    Example:
      >>> results_folder("symmetry", 10, 10_000).parts[-2:]
      ('results', 'symmetry-10')
    """
    if num_runs == published_runs:
        return HERE / "results" / name
    return HERE.parent / "results" / f"{name}-{num_runs}"


def parser_for(name: str, published_runs: int, runs: str, words: str | None) -> Any:
    """Return the parser of a study's options `--runs` and `--out`.

    Args:
      name: of the study.
      published_runs: the default of `--runs`.
      runs: what is counted, for the help.
      words: the study's description.
    """
    parser = argparse.ArgumentParser(prog=f"experiments.{name}", description=words)
    parser.add_argument(
        "--runs", type=int, default=published_runs, help=f"{runs} (default: %(default)s)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        help=f"folder for the results (default: experiments/results/{name} for "
        f"{published_runs} runs, results/{name}-RUNS for any other number)",
    )
    return parser


def percent(share: Mapping[str, Any]) -> str:
    """Return a share with its interval, in per cent.

    Example:
      >>> percent({"estimate": 0.5, "low": 0.25, "high": 0.75})
      '50.0 % (25.0 to 75.0)'
    """
    low, high = 100 * share["low"], min(100.0, 100 * share["high"])
    return f"{100 * share['estimate']:.1f} % ({low:.1f} to {high:.1f})"


def quartiles(epochs: Mapping[str, Any], cap: int) -> str:
    """Return median and quartiles of epochs; what was not reached is beyond the cap.

    Example:
      >>> quartiles({"q25": 900, "median": 1200, "q75": None}, cap=5000)
      '1,200 (900 to > 5,000)'
    """
    low, middle, high = (f"> {cap:,}" if epochs[q] is None else f"{epochs[q]:,}" for q in QUARTILES)
    return f"{middle} ({low} to {high})"


QUARTILES: Sequence[str] = ("q25", "median", "q75")
