"""The front door: the README is short, its code runs, and its figures are those of the records."""

import json
import re
import tomllib
from pathlib import Path

import pytest

import bpjax

ROOT = Path(bpjax.__file__).parents[1]
README = (ROOT / "README.md").read_text()
RESULTS = ROOT / "experiments" / "results"

OURS, RATIO = "`bpjax sweep`", "**ratio to the idiom**"
CONTENDERS = {
    "one net after another, NumPy": "numpy-one",
    "all nets in one batch, NumPy": "numpy-batched",
    "the JAX idiom, `jit(vmap(scan(jax.grad + optax.sgd)))`": "idiom",
    "the same under `shard_map` on both cores": "idiom-sharded",
}


def table(text, first):
    """Return the rows of the table whose first column has that heading, by what is in it."""
    lines = text[text.index(f"| {first} |" if first else "| | ") :].split("\n\n")[0].splitlines()
    head, _, *rows = ([cell.strip() for cell in line[1:-1].split("|")] for line in lines)
    return {row[0]: dict(zip(head, row, strict=True)) for row in rows}


def as_long_as(shown, number):
    """Return a number with as many digits after the point as the one that is shown."""
    return f"{number:.{len(shown.partition('.')[2])}f}"


def section(title):
    return README.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def test_it_is_read_in_two_minutes():
    assert len(README.splitlines()) <= 180


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_its_links_and_pictures_lead_somewhere(name):
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / name).read_text())
    assert links
    for link in links:
        assert link.startswith("https://") or (ROOT / link).exists(), link


def test_the_rows_it_shows_are_those_of_the_whole_table():
    whole = table((RESULTS / "reproduce" / "README.md").read_text(), "experiment")
    shown = table(section("What it finds"), "experiment")
    assert len(shown) == 6
    for name, cells in shown.items():
        assert cells == {head: whole[name][head] for head in cells}
        assert whole[name]["runs"] == "1,000"  # as the sentence above it says


def test_the_rates_it_shows_are_those_of_the_record():
    cases = json.loads((RESULTS / "bench" / "cpu.json").read_text())["cases"]
    shown = table(section("Speed"), "")
    assert shown.keys() == {*CONTENDERS, OURS, RATIO}
    for place, case in enumerate(cases, 1):
        measured = {entry["name"]: entry for entry in case["contenders"]}
        ours = measured[case["chosen"]]
        rates = {words: list(cells.values())[place].strip("*") for words, cells in shown.items()}
        for words, name in CONTENDERS.items():
            assert rates[words] == as_long_as(rates[words], measured[name]["median"] / 1e6)
        assert rates[OURS] == as_long_as(rates[OURS], ours["median"] / 1e6)
        assert rates[RATIO] == as_long_as(rates[RATIO], ours["ratio"])


def test_its_python_runs():
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    found = {}
    exec(compile(code, "README.md", "exec"), found)
    run, result = found["run"], found["result"]
    assert run.epochs == result["epochs"][7]
    summary = result.summary()
    assert f"{summary['converged']:,} converged" in README
    assert f"median         {summary['epochs']['median']} epochs" in README
    assert found["grads"].weight.keys() == found["params"].weight.keys()


def test_the_page_of_the_table_includes_what_the_study_wrote():
    page = (ROOT / "docs" / "understand" / "reproduction.md").read_text()
    (path,) = re.findall(r"```{include} (\S+)", page)
    assert (ROOT / "docs" / "understand" / path).resolve() == RESULTS / "reproduce" / "README.md"


def test_what_is_cited_is_this_version():
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {bpjax.__version__}\n" in citation
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"\nlicense: {project['license']}\n" in citation
