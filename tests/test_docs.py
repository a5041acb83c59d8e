"""The pages: their code runs and prints what they say, and they build without a warning.

Every block of Python or shell in a page is run, in order, in one namespace and one folder per page.
A block of text right behind it is what it prints. There "..." stands for anything, words are
compared as they are, and numbers to within a tenth, since last bits depend on the machine. A block
behind `<!-- not run: REASON -->` is not run; one behind `<!-- file: NAME -->` is written to that
file. CSV files that lie beside a page are in its folder.
"""

import contextlib
import dataclasses
import doctest
import importlib
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
import zlib
from pathlib import Path
from typing import NamedTuple

import jax
import pytest

import bpjax
from bpjax.bench.sizes import CASES, TINY
from bpjax.cli import COMMANDS, main

pytestmark = pytest.mark.slow  # continuous integration builds the pages; their code takes minutes

DOCS = Path(bpjax.__file__).parents[1] / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
SLOW = {"learn/early-layers.md", "learn/million.md"}
NEEDS = ("pandas", "polars", "duckdb", "pyarrow")
"""Packages that a page may use and a user need not have: its block is skipped without them."""

FENCE = re.compile(r"^(?P<fence>`{3,})(?P<kind>[^\n`]*)\n(?P<text>.*?)^(?P=fence)$", re.M | re.S)
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")


class Block(NamedTuple):
    """A block of code of a page, and the text that should follow it, None for any."""

    kind: str
    text: str
    output: str | None
    line: int


def blocks(page):
    """Return the blocks of Python and shell that are to be run."""
    fences = list(FENCE.finditer(page))
    found = []
    for k, match in enumerate(fences):
        before = page[: match.start()].rstrip().rsplit("\n", 1)[-1]
        line = page[: match.start()].count("\n") + 1
        if before.startswith("<!-- file: "):
            name = before.removeprefix("<!-- file: ").removesuffix(" -->")
            found.append(Block(f"file {name}", match["text"], None, line))
            continue
        if match["kind"] not in ("python", "sh") or before.startswith("<!-- not run: "):
            continue
        following = fences[k + 1] if k + 1 < len(fences) else None
        shown = following is not None and following["kind"] == "text"
        shown = shown and not page[match.end() : following.start()].strip()
        output = following["text"] if shown else None
        found.append(Block(match["kind"], match["text"], output, line))
    return found


def agrees(printed, shown):
    """Tell whether what was printed is what a page shows."""
    pattern, wanted, end = "", [], 0
    pieces = re.compile(rf"\.\.\.|{NUMBER.pattern}|\s+")
    for match in pieces.finditer(shown.strip()):
        pattern += re.escape(shown.strip()[end : match.start()])
        end = match.end()
        if match[0] == "...":
            pattern += r"[\s\S]*?"
        elif match[0].isspace():
            pattern += r"\s+"
        else:
            pattern += f"({NUMBER.pattern})"
            wanted.append(match[0])
    found = re.fullmatch(pattern + re.escape(shown.strip()[end:]), printed.strip())
    values = [float(text.replace(",", "")) for text in wanted]
    return found is not None and [
        float(text.replace(",", "")) for text in found.groups()
    ] == pytest.approx(values, rel=0.1)


@pytest.mark.parametrize(
    ("printed", "shown", "same"),
    [
        ("median 960 epochs", "median 958 epochs\n", True),
        ("median 960 epochs", "median 700 epochs", False),
        ("median 960 epochs", "mean 960 epochs", False),
        ("a\n  time 0.3 s, 5 M/s\nb", "a\n  time ...\nb", True),
        ("10,000 runs", "10,000 runs", True),
        ("10,000 runs, none solved", "10,000 runs", False),
    ],
)
def test_what_is_shown_is_held_against_what_is_printed(printed, shown, same):
    assert agrees(printed, shown) is same


def run_python(block, namespace):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile("\n" * block.line + block.text, namespace["__file__"], "exec"), namespace)
    return printed.getvalue()


def run_shell(block):
    """Run commands of bpjax in this process; nothing else may stand in a block that is run."""
    printed = io.StringIO()
    for line in block.text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if not words:
            continue
        assert words[0] == "bpjax", f"line {block.line}: only bpjax is run, not {words[0]}"
        with contextlib.redirect_stdout(printed):
            assert main(words[1:]) == 0, f"line {block.line}: {line}"
    return printed.getvalue()


def pages_with_code():
    for path in PAGES:
        name = str(path.relative_to(DOCS))
        if blocks(path.read_text()):
            marks = [pytest.mark.slow] if name in SLOW else []
            yield pytest.param(path, id=name, marks=marks)


@pytest.mark.parametrize("path", list(pages_with_code()))
def test_the_code_of_a_page_runs_and_prints_what_it_says(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bpjax.cli.sweep.FAN_WORK", 0)
    for table in path.parent.glob("*.csv"):
        shutil.copy(table, tmp_path)
    for draw in ("draw_run", "draw_sweep"):  # take longer than the runs, and have their own tests
        monkeypatch.setattr(f"bpjax.figures.draw.{draw}", lambda *_: None)
    namespace = {"__name__": "page", "__file__": str(path)}
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        for block in blocks(path.read_text()):
            if block.kind.startswith("file "):
                Path(block.kind.removeprefix("file ")).write_text(block.text)
                continue
            missing = [name for name in NEEDS if f"import {name}" in block.text and not there(name)]
            if missing:
                continue
            printed = run_python(block, namespace) if block.kind == "python" else run_shell(block)
            if block.output is not None:
                where = f"{path.relative_to(DOCS)}, line {block.line}"
                message = f"{where} printed\n{printed}\nand should have\n{block.output}"
                assert agrees(printed, block.output), message


def there(package):
    try:
        __import__(package)
    except ImportError:
        return False
    return True


def test_what_is_not_run_says_why():
    for path in PAGES:
        for reason in re.findall(r"<!-- not run(.*?)-->", path.read_text(), re.S):
            assert re.match(r": \w.{9,}", reason), f"{path}: {reason}"


def test_the_examples_of_the_extensions_hold(extensions):
    for module in extensions:
        found = doctest.testmod(module)
        assert found.failed == 0 < found.attempted, module.__name__


def test_a_line_or_a_name_that_is_gone_fails_the_build(extensions):
    source_lines, import_map = extensions
    with pytest.raises(LookupError, match=r"no line bears the tag \(10\)"):
        source_lines.tagged("x = 1  # (1)", "(10)")
    for name in ("bpjax.backprop.sideways", "bpjax.nowhere.at_all", "nowhere"):
        with pytest.raises(LookupError, match=f"there is no {name}"):
            source_lines.found(name)
    with pytest.raises(ValueError, match="a circle of imports: a -> b -> a"):
        import_map.ranks({"a": {"b"}, "b": {"a"}})


@pytest.fixture
def extensions(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS / "_extensions"))
    pytest.importorskip("sphinx", reason="the extra `docs` is not installed")
    return [importlib.import_module(name) for name in ("source_lines", "import_map")]


# ---- the pages as they are built ----------------------------------------------------------------


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build the pages as the README says, with warnings as errors; return their folder."""
    pytest.importorskip("sphinx", reason="the extra `docs` is not installed")
    out = tmp_path_factory.mktemp("docs") / "html"
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", str(DOCS), str(out)]
    made = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert made.returncode == 0, made.stderr
    return out


def inventory(out):
    """Return the Python names that the pages describe."""
    data = (out / "objects.inv").read_bytes().split(b"\n", 4)[4]
    lines = zlib.decompress(data).decode().splitlines()
    return {line.split(" ")[0] for line in lines if " py:" in line}


def public_names():
    """Yield every public name: of the package, and of the modules that it offers."""
    yield from (f"bpjax.{name}" for name in bpjax.__all__ if not is_module(name))
    for module in ("tasks", "plots"):
        yield from (f"bpjax.{module}.{name}" for name in getattr(bpjax, module).__all__)
    for module in [
        bpjax.backprop,
        bpjax.printed,
        *map(vars(bpjax.analysis).get, bpjax.analysis.__all__),
    ]:
        for name, thing in vars(module).items():
            own = getattr(thing, "__module__", "") == module.__name__
            if own and not name.startswith("_") and name not in bpjax.__all__:
                yield f"{module.__name__}.{name}"


def is_module(name):
    return type(getattr(bpjax, name)) is type(sys)


def test_no_public_name_is_missing_from_the_pages(built):
    described = inventory(built)
    assert len(described) > 100
    private = {"bpjax.backprop.Activations", "bpjax.backprop.Inputs", "bpjax.backprop.Targets"}
    assert sorted(set(public_names()) - described - private) == []


def test_every_command_is_there_with_its_help(built):
    page = (built / "look-up" / "commands.html").read_text()
    for command in COMMANDS:
        assert f"usage: bpjax {command}" in page


def test_every_module_is_on_the_map(built):
    page = (built / "understand" / "architecture.html").read_text()
    package = Path(bpjax.__file__).parent
    rooms = [file.parent for file in package.glob("*/__init__.py")]
    drawn = [
        path for room in ("layouts", "results", "sweeps") for path in package.glob(f"{room}/*.py")
    ]
    for path in [*package.glob("*.py"), *rooms, *drawn]:
        if path.stem != "__init__":
            assert re.search(rf"<text [^>]*>{path.stem}</text>", page), path


def test_the_equations_stand_in_their_order_with_formulas(built):
    pages = ["one-unit", "hidden-units", "blame", "learning"]
    text = "".join((built / "learn" / f"{page}.html").read_text() for page in pages)
    assert re.findall(r'id="equation-(\d)"', text) == list("123456789")
    assert text.count("<math ") > 20
    for line in ("activations[c.source] @ weight", "d_preactivation @ weight.T"):
        assert re.sub(r"<[^>]*>", "", text).count(line) >= 2  # beside its equation, and in the pass


def test_pages_load_nothing_from_elsewhere(built):
    for page in built.rglob("*.html"):
        loaded = re.findall(
            r'<(?:script|img|link|iframe)\b[^>]*?(?:src|href)="([^"]+)"', page.read_text()
        )
        assert [address for address in loaded if re.match(r"(https?:)?//", address)] == [], page


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_pages_fit_their_window_and_work_from_the_disk(built, browser_page, width):
    for name in (
        "index",
        "learn/blame",
        "look-up/commands",
        "understand/reproduction",
        "understand/architecture",
    ):
        browser_page.open(built / f"{name}.html", width)
        assert browser_page.overflow == 0, name
    assert browser_page.console == []
    assert all(address.startswith(("file:", "data:")) for address in browser_page.requests)


# ---- formats ------------------------------------------------------------------------------------


def first_column(page, after=""):
    """Return the names in code in the first cells of tables, behind a heading if one is given."""
    text = (DOCS / page).read_text()
    if after:
        text = re.split(r"^#", text[text.index(after) + len(after) :], maxsplit=1, flags=re.M)[0]
    cells = re.findall(r"^\| (`[^|]*`) \|", text, re.M)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def keys(value, path=""):
    """Yield the paths of all that JSON holds: "a.b", "a[].c"."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from keys(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for inner in value:
            yield from keys(inner, f"{path}[]")
    else:
        yield path


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """Sweep a grid with held-out cases in two folders, and train a run of it."""
    folder = tmp_path_factory.mktemp("formats")
    words = ["--max-epochs", "150", "--no-figures", "--learning-rate", "1"]
    with contextlib.redirect_stdout(io.StringIO()):
        assert main(["sweep", "xor", "--seeds", "8", *words, "0.5", "--out", f"{folder}/grid"]) == 0
        assert main(["train", "xor", *words, "--out", f"{folder}/run"]) == 0
    three = dataclasses.replace(bpjax.tasks.xor(), held_out=1)
    settings = {"learning_rate": 1.0, "max_epochs": 150, "shard": (1, 2), "keep_weights": True}
    bpjax.sweep(three, 20, out=folder / "shard", **settings)
    return folder


def test_every_key_of_a_summary_is_explained(swept):
    page = first_column("look-up/summary.md")
    grid, shard = (
        json.loads((swept / name / "summary.json").read_text()) for name in ("grid", "shard")
    )
    found = {re.sub(r"^settings\..*", "settings", key) for key in keys(grid) if "[]" not in key}
    found |= {re.sub(r"^settings\..*", "settings", key) for key in keys(shard)}
    found = {re.sub(r"^held_out\.all_runs\..*", "held_out.all_runs", key) for key in found}
    cell = {re.sub(r"^settings\..*", "settings", key) for key in keys(grid["cells"][0])}
    wholes = {"cells", "shard", "restart", "seconds", "held_out", "held_out.converged"}
    wholes |= {"folder"}  # of what is printed
    assert found | wholes == page
    assert cell - {"settings", "criterion"} <= page


def test_every_key_of_a_folder_is_explained(swept):
    page = "look-up/results-folder.md"
    for name in ("grid", "shard"):
        manifest = json.loads((swept / name / "sweep.json").read_text())
        explained = first_column(page, "### `sweep.json`\n")
        written = {*manifest, *manifest["identity"], *manifest["environment"]}
        assert written <= explained
    only_there = {"jax_settings", "platform_version", "variables", "cpu"}  # on some machines
    assert explained - written <= {"fallback", "matmul_precision", "command"} | only_there


def test_every_column_of_a_chunk_is_explained(swept):
    import numpy as np

    explained = first_column("look-up/results-folder.md", "### A chunk\n")
    for name in ("grid", "shard"):
        for file in (swept / name / "chunks").iterdir():
            with np.load(file) as chunk:
                assert set(chunk.files) <= explained | {"learning_rate"}


def test_every_field_of_a_run_is_explained(swept):
    explained = first_column("look-up/results-folder.md", "## The folder of one run\n")
    record = json.loads((swept / "run" / "run.json").read_text())
    assert set(record["outcome"]) <= explained
    header = (swept / "run" / "history.csv").read_text().splitlines()[0].split(",")
    kinds = {re.sub(r" (\w+ -> \w+|bias \w+|\w+)$", "", column) for column in header}
    assert kinds <= {re.sub(r" (A -> B|bias B|B)$", "", name) for name in explained}


def explained_in_the_bench_page(record):
    """Return the keys of a record that the page leaves out."""
    patterns = [
        re.escape(name).replace(r"\*", r"[^.\[]+")
        for name in first_column("look-up/bench-record.md")
    ]
    return [
        key
        for key in sorted(set(keys(record)))
        if not any(
            re.fullmatch(rf"{pattern}(\..*)?" if key.startswith("gpu") else pattern, key)
            for pattern in patterns
        )
    ]


def test_every_key_of_the_committed_bench_record_is_explained():
    record = json.loads((DOCS.parent / "experiments/results/bench/cpu.json").read_text())
    assert explained_in_the_bench_page(record) == []
    assert explained_in_the_bench_page(record | {"news": 1}) == ["news"]


@pytest.mark.slow
def test_every_key_of_a_new_bench_record_is_explained_and_no_other(tmp_path, monkeypatch, capsys):
    source = str(Path(bpjax.__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", source, prepend=":")
    monkeypatch.setattr("bpjax.cli.bench.QUICK", TINY)
    size = CASES["xor"]._replace(runs=64, our_runs=64, epochs=20, numpy_runs=64)
    monkeypatch.setattr("bpjax.cli.bench.CASES", {"xor": size})
    assert main(["bench", "--quick", "--json", str(tmp_path / "record.json")]) == 0
    record = json.loads((tmp_path / "record.json").read_text())
    assert explained_in_the_bench_page(record) == []
    found = {re.sub(r"^workers\.[^.]+", "workers.*", key) for key in keys(record)}
    found = {re.sub(r"versions\.\w+$", "versions.*", key) for key in found}
    found = {re.sub(r"^useful\.(no_)?refill\..*", r"useful.\1refill.*", key) for key in found}
    # What stands for all of its keys, and may be null as a whole.
    assert first_column("look-up/bench-record.md") - found == {"workers", "useful"}
