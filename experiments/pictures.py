"""The pictures of the README and the pages that are of no study: each from the command beside it.

    python -m experiments.pictures

makes them anew in experiments/results/tour, in a few minutes; `--only NAME` makes some. The page of
`bpjax explain` is shown in Chromium, by Playwright (both as for the tests).
"""

import argparse
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from bpjax.cli import main as bpjax
from experiments.study import HERE


class Picture(NamedTuple):
    """A picture: its name, the command, and which of the command's figures it is."""

    name: str
    command: str
    figure: str


# Neighbours of one command are made by it together.
PICTURES = (
    Picture("symmetry", "train symmetry --seed 3 --tolerance 0.1", "network"),
    Picture("family-trees", "train family-trees --seed 7", "activities"),
    Picture(
        "gradient-size",
        "train parity --set hidden_layers=4 --hidden 8 --learning-rate 0.2 --init-range 1 --seed 1",
        "gradient-size",
    ),
    Picture("survival", "sweep xor --seeds 10000", "survival"),
    Picture("epochs", "sweep xor --seeds 10000", "epochs"),
    Picture("loss-fan", "sweep xor --seeds 10000", "loss-fan"),
    Picture(
        "grid-solved",
        "sweep xor --seeds 500 --learning-rate 0.1 0.5 2 --init-range 0.3:3:log3",
        "solved",
    ),
    Picture(
        "map",
        "sweep xor --seeds 200 --learning-rate 0.05:6.4:log8 --init-range 0.1:3.2:log6 "
        "--max-epochs 5000",
        "median-epochs",
    ),
)


class Shot(NamedTuple):
    """A picture of a page of `bpjax explain`: its command, its place, and what of it is shown."""

    name: str
    command: str
    place: str
    part: str | None = None


SHOTS = (
    # A hidden unit gets its blame for the second case.
    Shot("explain", "explain xor --seed 7", "epoch=650&case=2&step=8"),
    Shot("one-line", "explain xor --hidden 0 --max-epochs 60", "epoch=5&case=1&step=1", "#square"),
    Shot("two-lines", "explain xor --tolerance 0.1", "epoch=800&case=1&step=1", "#square"),
)


def make(command: str, pictures: Iterable[Picture], out: Path) -> None:
    """Run the command of some pictures in a folder of its own, and keep their figures."""
    with tempfile.TemporaryDirectory() as folder:
        if bpjax([*command.split(), "--out", folder]):
            raise SystemExit(f"`bpjax {command}` failed.")
        for picture in pictures:
            shutil.copy(f"{folder}/figures/{picture.figure}.png", out / f"{picture.name}.png")


def make_shots(shots: Iterable[Shot], out: Path) -> None:
    """Make each page, go to the place that is shown, and keep what a window shows of it."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        chromium = os.environ.get("BPJAX_CHROMIUM") or shutil.which("chromium")
        arguments = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        for shot in shots:
            page = Path(folder) / f"{shot.name}.html"
            if bpjax([*shot.command.split(), "--out", str(page)]):
                raise SystemExit(f"`bpjax {shot.command}` failed.")
            shown = browser.new_page(viewport={"width": 1280, "height": 860})
            shown.goto(f"{page.as_uri()}#{shot.place}")
            seen = shown if shot.part is None else shown.locator(shot.part)
            seen.screenshot(path=out / f"{shot.name}.png")
        browser.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Make all pictures, or some."""
    names = [each.name for each in (*PICTURES, *SHOTS)]
    parser = argparse.ArgumentParser(prog="experiments.pictures", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "tour")
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)
    wanted = [picture for picture in PICTURES if picture.name in options.only]
    for command, same in itertools.groupby(wanted, lambda picture: picture.command):
        make(command, same, options.out)
    shots = [shot for shot in SHOTS if shot.name in options.only]
    if shots:
        make_shots(shots, options.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
