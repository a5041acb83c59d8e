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
EXPLAIN = "explain xor --seed 7"
SHOWN = {"epoch": 650, "case": 1, "steps": 7}
"""Of that page: when a hidden unit gets its blame for the second case."""


def make(command: str, pictures: Iterable[Picture], out: Path) -> None:
    """Run the command of some pictures in a folder of its own, and keep their figures."""
    with tempfile.TemporaryDirectory() as folder:
        if bpjax([*command.split(), "--out", folder]):
            raise SystemExit(f"`bpjax {command}` failed.")
        for picture in pictures:
            shutil.copy(f"{folder}/figures/{picture.figure}.png", out / f"{picture.name}.png")


def make_explain(out: Path) -> None:
    """Make the page, go to the moment that is shown, and keep what a window shows of it."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page = Path(folder) / "page.html"
        if bpjax([*EXPLAIN.split(), "--out", str(page)]):
            raise SystemExit(f"`bpjax {EXPLAIN}` failed.")
        chromium = os.environ.get("BPJAX_CHROMIUM") or shutil.which("chromium")
        arguments = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        shown = browser.new_page(viewport={"width": 1280, "height": 860})
        shown.goto(page.as_uri())
        shown.locator("#epoch").fill(str(SHOWN["epoch"]))
        shown.locator("#case").select_option(index=SHOWN["case"])
        for _ in range(SHOWN["steps"]):
            shown.locator("#next").click()
        shown.locator("#next").blur()
        shown.mouse.move(0, 0)
        shown.screenshot(path=out / "explain.png")
        browser.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Make all pictures, or some."""
    names = [*(picture.name for picture in PICTURES), "explain"]
    parser = argparse.ArgumentParser(prog="experiments.pictures", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "tour")
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)
    wanted = [picture for picture in PICTURES if picture.name in options.only]
    for command, same in itertools.groupby(wanted, lambda picture: picture.command):
        make(command, same, options.out)
    if "explain" in options.only:
        make_explain(options.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
