"""What is made of the records of a bench: the number, two side by side, a page; and their reading.

Nothing here looks at how fast anything is, and nothing is timed: the record is that of a bench that
somebody made, and others are made up from it.
"""

import copy
import json
import math
import re
import subprocess
from pathlib import Path
from statistics import geometric_mean, median

import numpy as np
import pytest
from reading import key, texts_apart

import bpjax
from bpjax.bench.compare import compare
from bpjax.bench.figure import compared_figure, rates_figure
from bpjax.bench.machine import commit, machine
from bpjax.bench.number import interval, number_of
from bpjax.bench.reading import READ, read_record
from bpjax.bench.record import SCHEMA_VERSION
from bpjax.bench.sizes import CASES, SUITE_VERSION
from bpjax.bench.table import number_lines, render, render_comparison
from bpjax.cli import main
from bpjax.errors import ResultsError
from bpjax.plots import ranges
from bpjax.report import report, write_report
from bpjax.report.records import command

RECORDS = Path(bpjax.__file__).parents[1] / "experiments" / "results" / "bench"


@pytest.fixture
def record():
    """Return the record of the CPU suite, with all that a new one has."""
    found = read_record(RECORDS / "cpu.json")
    found |= {"schema_version": SCHEMA_VERSION, "date": "2026-11-29T01:02:03Z"}
    found["machine"] |= {"memory_bytes": 2**33, "commit": "a" * 40}
    found["load"] = {"start": [0.25, 0.5, 0.75], "end": [2.0, 1.0, 1.0]}
    for worker in found["workers"].values():
        worker["cpu"] = "x86_64, AVX2, FMA"
    return found


def ours(record):
    return [
        next(entry for entry in case["contenders"] if entry["name"] == case["chosen"])
        for case in record["cases"]
    ]


def faster(record, factor):
    """Return a record in which our implementations are so many times as fast."""
    found = copy.deepcopy(record)
    for case in found["cases"]:
        for entry in case["contenders"]:
            if entry.get("block_size"):
                for name in ("median", "min", "max", "ratio"):
                    entry[name] *= factor
                entry["rates"] = [factor * rate for rate in entry["rates"]]
    found["number"] = number_of(found)
    return found


def write(record, path):
    path.write_text(json.dumps(record))
    return path


# ---- the number ----------------------------------------------------------------------------------


def test_the_number_is_the_geometric_mean_of_what_sweeps_reach(record):
    number = record["number"]
    assert number["name"] == f"bpjax cpu-{SUITE_VERSION}"
    assert number["value"] == pytest.approx(geometric_mean(e["median"] for e in ours(record)))
    ratios = number["x_idiom"]
    assert ratios["value"] == pytest.approx(geometric_mean(e["ratio"] for e in ours(record)))
    for told in (number, ratios):
        assert told["low"] < told["value"] < told["high"]
    assert (number["cases"], number["rounds"]) == (list(CASES), 9)


def test_the_number_is_the_last_thing_that_is_said(record):
    lines = number_lines(record["number"])
    assert render(record).endswith("\n\n" + "\n".join(lines))
    assert lines[0] == "bpjax cpu-1: 6.47 (6.15 to 6.76) million seed-epochs per second"
    assert lines[1].startswith("  and 9.00 (8.52 to 9.44) x the idiom")
    assert max(map(len, lines)) <= 100


def test_an_interval_is_what_other_draws_of_the_rounds_give():
    made = [1.0, 2.0, 3.0, 4.0, 50.0]
    found = interval(made, of=lambda middle: middle)
    # Of five rounds drawn again the median is the lowest in 5.8 %, which is more than 2.5 %.
    assert found == (3.0, 1.0, 50.0)
    # Of nine it is the lowest in 0.1 % and one of the two lowest in 3 %.
    assert interval([float(k) for k in range(1, 10)], of=lambda middle: middle) == (5.0, 2.0, 8.0)
    assert interval([2.0] * 3, [4.0] * 3, of=lambda a, b: b / a) == (2.0, 2.0, 2.0)
    assert interval(made, of=np.log) == pytest.approx(tuple(math.log(x) for x in found))


def without(name):
    return lambda record: record["cases"].pop(list(CASES).index(name))


def ending(change):
    return lambda record: [change(entry) for entry in ours(record)[1:2]]


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        (
            without("family"),
            "it is of xor, encoder, symmetry, family together, and family was",
        ),
        (lambda r: r.update(dtype="float64"), "it is of float32, and this is float64"),
        (
            lambda r: r.update(lanes=64),
            "it is of the lanes that a sweep takes, and others were",
        ),
        (ending(lambda e: e.update(agrees=False)), "what was computed for encoder is not what"),
        (ending(lambda e: e.update(failed="so")), "not all of encoder was measured"),
    ],
)
def test_there_is_no_number_of_anything_else(record, change, refused):
    change(record)
    number = number_of(record)
    assert number["refused"].startswith(refused)
    assert number["value"] is number["low"] is number["x_idiom"]["high"] is None
    assert number.keys() == number_of(read_record(RECORDS / "cpu.json")).keys()
    assert number_lines(number) == [f"bpjax cpu-1: no number: {number['refused']}."]


# ---- what a record says of its machine -----------------------------------------------------------


def test_the_machine_is_told_as_far_as_the_system_tells_it():
    found = machine()
    assert found["num_cores"] >= 1
    assert found["memory_bytes"] > 2**28
    assert found["commit"] is None or re.fullmatch(r"[0-9a-f]{40,}(-dirty)?", found["commit"])


def git(folder, *words):
    own = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", "-C", str(folder), *own, *words], check=True, capture_output=True)


def test_a_commit_is_told_of_a_checkout_of_its_own_and_of_no_other(tmp_path, monkeypatch):
    package = tmp_path / "checkout" / "bpjax"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    assert commit(package) is None, "no checkout at all"
    git(package.parent, "init")
    assert commit(package) is None, "nothing is committed"
    git(package.parent, "add", ".")
    git(package.parent, "commit", "-m", "first")
    told = commit(package)
    assert re.fullmatch("[0-9a-f]{40}", told)
    installed = package.parent / "venv" / "bpjax"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("")
    assert commit(installed) is None, "within somebody else's repository"
    git(package.parent, "add", ".")
    assert commit(installed) is None, "a part of somebody else's repository"
    git(package.parent, "rm", "--cached", "-r", "venv")
    (package / "__init__.py").write_text("changed")
    assert commit(package) == f"{told}-dirty"
    monkeypatch.setenv("GIT_DIR", str(tmp_path))
    assert commit(package) == f"{told}-dirty", "of the folder, whatever git was told"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit(package) is None, "there is no git"


def test_the_text_says_when_and_on_what_and_what_x_idiom_is(record):
    text = render(record)
    said = "date 2026-11-29T01:02:03Z; CPU x86_64, AVX2, FMA; memory 8.0 GiB; "
    assert f"{said}load 0.25 before, 2.00 after; commit {'a' * 40}\n" in text
    assert "x idiom: the median of rates by the idiom's in the same round" in text
    record["load"]["start"] = record["machine"]["commit"] = None
    assert "load not recorded; commit not recorded" in render(record)


def test_x_idiom_need_not_be_the_quotient_of_the_columns(record):
    """That is why the words are there: for some case it is another number."""
    entries = {e["name"]: e for e in record["cases"][0]["contenders"]}
    chosen, idiom = entries[record["cases"][0]["chosen"]], entries["idiom"]
    pairs = zip(chosen["rates"], idiom["rates"], strict=True)
    assert chosen["ratio"] == pytest.approx(median(a / b for a, b in pairs))
    assert abs(chosen["median"] / idiom["median"] / chosen["ratio"] - 1) > 0.01


# ---- reading -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cpu", "larger"])
def test_committed_records_are_read(name):
    found = read_record(RECORDS / f"{name}.json")
    assert found["schema_version"] in READ
    assert found["number"] == number_of(found)
    render(found)


def test_a_new_record_is_read_as_it_is(record, tmp_path):
    assert read_record(write(record, tmp_path / "new.json")) == record


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda r: r.update(schema_version=99), "has schema 99; this bpjax reads 1 and 2."),
        (lambda r: r.pop("schema_version"), "has schema None; this bpjax reads 1 and 2."),
        (lambda r: r.pop("cases"), "is no record of `bpjax bench --json`."),
        (lambda r: r.pop("machine"), "`record.machine` is missing."),
        (lambda r: r["budget"].update(rounds="many"), "`record.budget.rounds` is not as"),
        (lambda r: ours(r)[0].update(rates=[]), "a contender of xor has no rounds."),
        (lambda r: ours(r)[0]["rates"].pop(), "contenders of xor have other numbers of rounds."),
        (lambda r: ours(r)[0]["rates"].append(0), "contenders.6.rates.9` is not as"),
        (lambda r: r["cases"].append(r["cases"][0]), "it has a case twice."),
        (lambda r: r["number"].update(value=None), "`record.number"),
    ],
)
def test_what_is_no_record_is_refused_in_one_sentence(record, tmp_path, change, sentence, capsys):
    change(record)
    file = write(record, tmp_path / "it.json")
    with pytest.raises(ResultsError) as raised:
        read_record(file)
    assert sentence in str(raised.value)
    assert main(["report", str(file)]) == 2
    assert capsys.readouterr().err == f"bpjax: {raised.value}\n"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("content", ["", "{", "[]", "NaN", '{"cases": [NaN]}', "[" * 10**5])
def test_what_is_no_json_is_no_record(tmp_path, content):
    (tmp_path / "it.json").write_text(content)
    with pytest.raises(ResultsError, match="is no record of `bpjax bench --json`"):
        read_record(tmp_path / "it.json")


# ---- two records ---------------------------------------------------------------------------------


def test_quotients_are_those_of_the_medians_with_intervals(record):
    found = compare(["a", "b"], record, faster(record, 1.5))
    by_what = {(row.case, row.what): row for row in found.rows}
    assert list(dict.fromkeys(row.case for row in found.rows)) == [*CASES, "bpjax cpu-1"]
    for (_, what), row in by_what.items():
        factor = 1.0 if what == "idiom" else 1.5
        assert row.second / row.first == pytest.approx(factor)
        assert row.quotient.value == pytest.approx(factor)
        assert row.quotient.low < factor < row.quotient.high
    number = by_what["bpjax cpu-1", "bpjax sweep"]
    assert number.first == pytest.approx(record["number"]["value"])
    widths = {case: row.quotient.high - row.quotient.low for (case, what), row in by_what.items()}
    assert widths["bpjax cpu-1"] < min(widths[case] for case in CASES)
    assert (found.left_out, found.differing) == ([], [])


def test_what_cannot_be_compared_is_said(record):
    other = faster(record, 2.0)
    other["cases"].pop()
    other["cases"][1]["learning_rate"] = 7.0
    other["cases"][2] = {"name": "symmetry", "failed": "so", "contenders": []}
    other["machine"]["num_cores"] = 64
    other["number"] = number_of(other)
    found = compare(["a.json", "b.json"], record, other)
    assert {row.case for row in found.rows} == {"xor"}
    assert found.left_out == [
        "only in a.json: family.",
        "encoder is not compared: its learning rate differ.",
        "symmetry is not compared: it failed in one of them.",
        f"b.json has no number: {other['number']['refused']}.",
    ]
    assert ("cores", "2", "64") in found.differing
    text = render_comparison(found)
    assert "Only in a.json: family.\nEncoder is not" in text
    assert "What differs, A / B:\n  cores: 2 / 64\n  implementations: " in text


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"suite": "gpu"},
            "'a.json' is of suite cpu-1 and 'b.json' of suite gpu-1; rates of",
        ),
        (
            {"suite_version": 2},
            "'a.json' is of suite cpu-1 and 'b.json' of suite cpu-2; rates of",
        ),
        ({"cases": []}, "'a.json' and 'b.json' have measured no case in common."),
        ({"schema_version": 3}, "'b.json' has schema 3; this bpjax reads 1 and 2."),
    ],
)
def test_other_suites_and_schemas_are_refused(
    record, tmp_path, monkeypatch, capsys, change, sentence
):
    monkeypatch.chdir(tmp_path)
    write(record, Path("a.json"))
    write(record | change, Path("b.json"))
    assert main(["bench", "compare", "a.json", "b.json", "--out", "figure"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"bpjax: {sentence}")
    assert not Path("figure.png").exists()


def test_the_command_prints_a_table_or_json_and_draws(record, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(record, Path("a.json"))
    write(faster(record, 2.0), Path("b.json"))
    assert main(["bench", "compare", "a.json", "b.json", "--out", "it.png"]) == 0
    text = capsys.readouterr().out
    assert re.search(r"^  xor +bpjax sweep +151 +301 +2\.000 +1\.\d{3} to 2\.\d{3}$", text, re.M)
    assert re.search(r"^ +idiom +12\.9 +12\.9 +1\.000 ", text, re.M)
    assert "Rounds of two records are no pairs" in text
    assert text.endswith("figure: it.png, it.svg\n")
    assert Path("it.png").exists()
    assert Path("it.svg").exists()
    assert main(["bench", "compare", "--json", "a.json", "b.json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["names"] == ["a.json", "b.json"]
    assert told["level"] == 0.95
    (row,) = (r for r in told["rows"] if (r["case"], r["what"]) == ("xor", "bpjax sweep"))
    assert row["quotient"].keys() == {"value", "low", "high"}


# ---- figures -------------------------------------------------------------------------------------


def test_the_figure_of_the_suite_has_a_group_per_case_and_the_ratio_beside_ours(record):
    ax = rates_figure(record)
    assert [label.get_text() for label in ax.get_yticklabels()] == list(CASES)
    assert key(ax)[:2] == ["bpjax sweep", "idiom"]
    (line,) = (line for line in ax.lines if line.get_label() == "bpjax sweep")
    np.testing.assert_allclose(line.get_xdata(), [e["median"] / 1e6 for e in ours(record)])
    assert [text.get_text() for text in ax.texts] == ["12.0 x", "20.8 x", "6.69 x", "3.91 x"]
    assert "AMD EPYC, 2 cores\n9 rounds, float32" in ax.get_title(loc="left")
    assert ax.get_xscale() == "log"
    texts_apart(ax)


def test_the_figure_of_a_comparison_has_intervals_and_a_line_at_one(record):
    found = compare(["old.json", "new.json"], record, faster(record, 1.3))
    ax = compared_figure(found)
    (line,) = (line for line in ax.lines if line.get_label() == "bpjax sweep")
    np.testing.assert_allclose(line.get_xdata(), 1.3)
    segments = ax.containers[0].lines[2][0].get_segments()
    low, high = found.rows[0].quotient[1:]
    np.testing.assert_allclose(segments[0][:, 0], [low, high])
    assert any(line.get_linestyle() == "--" and set(line.get_xdata()) == {1.0} for line in ax.lines)
    assert ax.get_title(loc="left") == "new.json by old.json\nabove 1: the second is faster"
    texts_apart(ax)


def test_ranges_of_nothing_of_one_and_with_signs_that_are_no_formulas():
    row = {"group": "a $x_$", "name": "$y_$", "value": 1.0, "low": 1.0, "high": 1.0, "words": "$x$"}
    ax = ranges([row], title="", xlabel="it")
    assert not any(text.get_parse_math() for text in [*ax.texts, *ax.get_yticklabels()])
    texts_apart(ranges([row], title="one $", xlabel="it"))
    texts_apart(ranges([], title="none", xlabel="it"))
    ax = ranges([], title="", xlabel="").figure.add_subplot()
    assert ranges([row], title="", xlabel="", ax=ax) is ax


# ---- reports -------------------------------------------------------------------------------------


def text_of(page):
    words = re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.S)
    return re.sub(r"\s+", " ", words)


def test_a_report_of_a_record_has_the_number_the_table_and_the_figure(record, tmp_path):
    file = write(record, tmp_path / "mine.json")
    page = report([file])
    text = text_of(page)
    assert "bpjax cpu-1: 6.47 (6.15 to 6.76) million seed-epochs per second, and 9.00" in text
    assert "unrolled 151 12.0 131 to 176" in text
    assert "load 0.25 before, 2.00 after" in text
    assert "bpjax bench --json mine.json" in text
    assert page.count("<figure>") == 1
    assert page.count("<caption>") == len(CASES) + 1
    assert "A run has converged" not in page
    assert write_report([file]) == tmp_path / "report.html"


def test_a_report_of_records_and_folders_has_a_section_for_each(record, tmp_path):
    bpjax.sweep("xor", 20, max_epochs=50, out=tmp_path / "swept")
    record["cases"][0]["contenders"][0]["name"] = "<script>"
    record["cases"][1]["idiom"] = "none: its units are not all logistic"
    file = write(record, tmp_path / "mine.json")
    page = report([file, tmp_path / "swept", RECORDS / "cpu.json"])
    text = text_of(page)
    assert "1 sweep and 2 records: xor, bench" in text
    assert page.count("<section id=") == 3
    assert "<script>" not in page
    assert "encoder has no idiom: its units are not all logistic." in text
    assert "made by an earlier version, which did not write down when" in text
    with pytest.raises(ResultsError, match="is named twice"):
        report([file, file])


def test_a_report_fits_the_width_of_a_phone(record, tmp_path, browser_page):
    record["cases"][0]["title"] = "a" * 200
    file = write_report([write(record, tmp_path / "mine.json")])
    browser_page.open(file, width=390)
    assert browser_page.overflow <= 0
    assert browser_page.console == []


def test_the_command_of_a_record_measures_the_same(record):
    assert command(record, "a b.json") == "bpjax bench --json 'a b.json'"
    record |= {"lanes": 64, "dtype": "float64"}
    record["budget"]["rounds"] = 5
    record["cases"] = [*record["cases"][:1], {"name": "mine.toml"}]
    words = "mine.toml --case xor --rounds 5 --lanes 64 --precision float64"
    assert command(record, "a.json") == f"bpjax bench {words} --json a.json"
