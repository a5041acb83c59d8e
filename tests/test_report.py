"""`bpjax report`: what the page says, that it repeats, that it only shows, and what it refuses."""

import base64
import dataclasses
import json
import re
import shlex
import shutil
from contextlib import nullcontext
from hashlib import sha256
from html.parser import HTMLParser
from itertools import combinations, pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from helpers import daily
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import bpjax
from bpjax.analysis.log_rank import holm, log_rank, pairwise_log_rank
from bpjax.analysis.outcomes import outcomes_of
from bpjax.cli import main
from bpjax.cli.options import parse, task_variants
from bpjax.cli.sweep import Options as SweepOptions
from bpjax.cli.train import Options as TrainOptions
from bpjax.errors import ResultsError
from bpjax.recording import Recording
from bpjax.report import figures, report, write_report
from bpjax.report.command import repeat
from bpjax.report.words import pvalue, rate
from bpjax.results import files
from bpjax.results.chunks import HELD, chunk_name, pack, seal_of, to_lengths, unpack
from bpjax.results.extent import runs_of
from bpjax.results.folder import SweepFolder
from bpjax.results.identity import as_stored, fingerprint
from bpjax.results.manifest import FORMAT
from bpjax.results.sealed import sealed
from bpjax.run_folder import claim, load_run, save
from bpjax.sweeps.host_loop import environment, run_plan
from bpjax.sweeps.planning import make_plan
from bpjax.tasks import TASKS, xor
from bpjax.text import printable
from bpjax.training import plan_run, train_plan

CAP = 1200
GRID = {"learning_rate": [0.25, 0.5], "momentum": [0.5, 0.9]}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folders that bpjax made: two sweeps, a grid, counts, the shards of one, and a run."""
    home = tmp_path_factory.mktemp("made")
    bpjax.sweep(xor(), 200, max_epochs=CAP, out=home / "two")
    bpjax.sweep(xor(hidden=3), 150, max_epochs=CAP, out=home / "three")
    bpjax.sweep(xor(), 60, max_epochs=CAP, out=home / "grid", **GRID)
    bpjax.sweep(xor(), 200, max_epochs=CAP, summary_only=True, out=home / "counts")
    for k in (1, 2, 3):
        bpjax.sweep(xor(), 100, max_epochs=CAP, shard=(k, 3), out=home / f"shard{k}")
    plan = plan_run(xor(), 7, max_epochs=600)
    folder = claim(home / "run", plan)
    save(train_plan(plan, Recording(5)), folder, plan)
    return home


class Page(HTMLParser):
    """A page taken apart: its elements with their attributes, its text, its tables by caption."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.elements, self.pieces, self.tables, self.tag = [], [], {}, None
        self.feed(html)
        self.text = re.sub(r"\s+", " ", " ".join(self.pieces))

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag == "table":
            self.rows = []
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        self.tag = tag

    def handle_endtag(self, tag):
        if tag == "table":
            self.tables.setdefault(self.caption, []).append(self.rows)
        self.tag = None

    def handle_data(self, data):
        self.pieces.append(data.replace("\N{NO-BREAK SPACE}", " "))
        if self.tag in ("td", "th"):
            self.rows[-1][-1] += self.pieces[-1]
        elif self.tag == "caption":
            self.caption = data

    @property
    def skeleton(self):
        """Every element with the names of its attributes."""
        return [(tag, tuple(attributes)) for tag, attributes in self.elements]

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def plain(text):
    return text.replace("\N{NO-BREAK SPACE}", " ")


# ---- what it says --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["two", "counts"])
def test_the_numbers_are_those_of_the_summary(made, name):
    summary = json.loads((made / name / "summary.json").read_text())
    page = Page(report([made / name]))
    share, interval = map(plain, rate(summary["success_rate"]))
    assert (
        f"{summary['converged']} of 200 runs converged to tolerance 0.5 within 1,200 epochs: "
        f"{share} (95 % interval {interval})."
    ) in page.text
    (ended,) = page.tables["How the runs ended"]
    assert [row[:2] for row in ended[1:]] == [
        ["converged", str(summary["converged"])],
        ["at the cap", str(summary["max_epochs_reached"])],
        ["non-finite", "0"],
    ]
    assert ended[1][2:] == [share, interval]
    (took,) = page.tables["How many epochs it took"]
    epochs = summary["epochs"]
    found = {row[0]: row[1:] for row in took[1:]}
    assert epochs["q75"] is None  # so that this is seen, too
    assert found["three quarters converged"][0] == "not reached"
    assert found["first quarter converged"] == [
        str(epochs["q25"]),
        f"{epochs['q25_low']} to {epochs['q25_high']}",
    ]
    assert found["expected then per solution"][0] == (
        f"{summary['restart']['expected_epochs']:,.0f}"
    )


def test_every_point_of_a_grid_has_a_row(made):
    cells = json.loads((made / "grid" / "summary.json").read_text())["cells"]
    ((head, *rows),) = Page(report([made / "grid"])).tables["Each point of the grid"]
    assert head[:3] == ["learning rate", "momentum", "runs"]
    assert [row[:4] for row in rows] == [
        [*(f"{x:g}" for x in cell["settings"].values()), "60", plain(rate(cell["success_rate"])[0])]
        for cell in cells
    ]


def test_of_many_points_the_first_are_shown_and_the_rest_counted(tmp_path):
    rates = [round(0.01 * k, 2) for k in range(1, 54)]
    bpjax.sweep(xor(), 1, max_epochs=2, learning_rate=rates, out=tmp_path / "many")
    page = Page(report([tmp_path / "many"]))
    assert len(page.tables["Each point of the grid"][0]) == 51
    assert "… and 3 more points of the grid." in page.text


def test_sweeps_are_compared(made):
    names = ["two", "three", "counts"]
    outcomes = {}
    for name in names:
        columns = bpjax.results.store.read_runs(made / name).columns
        outcomes[name] = outcomes_of(columns["status"], columns["epochs"], columns.get("count"))
    test = log_rank(list(outcomes.values()))
    page = Page(report([made / name for name in names]))
    assert (
        f"log-rank chi-square {test.statistic:,.2f}, 2 degrees of freedom, p = "
        f"{pvalue(test.pvalue)}"
    ) in page.text
    ((head, *rows),) = page.tables["The sweeps side by side"]
    assert head[:3] == ["sweep", "hidden", "runs"]  # what differs, and nothing that does not
    assert [row[:3] for row in rows] == [
        ["two", "2", "200"],
        ["three", "3", "150"],
        ["counts", "2", "200"],
    ]
    assert [row[-1] for row in rows] == [
        f"{seen / expected:.2f}"
        for seen, expected in zip(test.observed, test.expected, strict=True)
    ]
    ((_, *rows),) = page.tables["Every two by themselves"]
    assert rows == [
        [
            f"{pair.first} and {pair.second}",
            f"{pair.test.statistic:,.2f}",
            pvalue(pair.test.pvalue),
            pvalue(pair.adjusted),
        ]
        for pair in pairwise_log_rank(outcomes)
    ]
    assert "The sweeps share seeds, and" in page.text
    assert "Only counts were kept of counts, no row per run: no pairs there." in page.text


def test_two_sweeps_need_no_table_of_pairs_and_one_no_comparison(made):
    assert "Every two by themselves" not in Page(report([made / "two", made / "three"])).tables
    assert "log-rank" not in report([made / "two", made / "run"])


def told_pairs(pairs, solved, sooner):
    """The cells that a pair of settings must have, from the numbers of the library."""
    ends = [f"{100 * x:+.1f}".replace("-", "\N{MINUS SIGN}") for x in pairs.difference[:3]]
    share, interval = map(plain, rate(pairs.faster._asdict()))
    return [
        f"{pairs.num_pairs}",
        f"{ends[0]} ({ends[1]} to {ends[2]})",
        pvalue(solved),
        f"{share} of {pairs.first_faster + pairs.second_faster} ({interval})",
        pvalue(sooner),
    ]


def test_the_points_of_a_grid_are_compared_over_the_same_seeds_and_never_pooled(made):
    result = bpjax.load(made / "grid")
    _, *others = bpjax.compare(result)
    adjusted = [
        holm([getattr(one.pairs, p) for one in others]) for p in ("solved_pvalue", "faster_pvalue")
    ]
    names = [f"learning rate {r}, momentum {m}" for r in (0.25, 0.5) for m in (0.5, 0.9)]
    page = Page(report([made / "grid"]))
    ((head, *rows),) = page.tables[f"Beside {names[0]}, over the same seeds"]
    assert [row[0] for row in rows] == names[1:]
    for one, row, solved, sooner in zip(others, rows, *adjusted, strict=True):
        assert row[1:] == told_pairs(one.pairs, solved, sooner)
    assert head.count("p after Holm") == 2
    groups = {
        name: outcomes_of(result["status"][k * 60 : k * 60 + 60], result["epochs"][k * 60 :][:60])
        for k, name in enumerate(names)
    }
    test = log_rank(list(groups.values()))
    assert (
        f"The survival curves of the 4 settings differ: log-rank chi-square {test.statistic:,.2f}, "
        f"3 degrees of freedom, p = {pvalue(test.pvalue)}"
    ) in page.text
    ((_, *rows),) = page.tables["Every two by themselves"]
    assert [row[0] for row in rows] == [
        f"{one} and {other}" for one, other in combinations(names, 2)
    ]
    pooled = bpjax.load(made / "grid").summary()
    for words in (plain(rate(pooled["success_rate"])[0]), "How the runs ended", "How many epochs"):
        assert words not in page.text
    assert "240 runs, 60 at each of 4 settings." in page.text
    best = max(result.summary()["cells"], key=lambda cell: cell["success_rate"]["estimate"])
    assert f"to {plain(rate(best['success_rate'])[0])} at learning rate 0.5" in page.text


def test_grids_of_several_folders_are_compared_point_by_point(made, tmp_path):
    bpjax.sweep(xor(), 60, max_epochs=CAP, learning_rate=[0.25, 1.0], out=tmp_path / "rates")
    page = Page(report([made / "two", tmp_path / "rates"]))
    ((head, *rows),) = page.tables["The settings side by side"]
    assert head[:3] == ["sweep", "learning rate", "runs"]
    assert [row[:3] for row in rows] == [
        ["two", "0.25", "200"],
        ["rates", "0.25", "60"],
        ["rates", "1", "60"],
    ]
    assert "of the 3 settings" in page.text
    ((_, *rows),) = page.tables["Beside two, over the same seeds"]
    assert [row[:2] for row in rows] == [
        ["rates: learning rate 0.25", "60"],
        ["rates: learning rate 1", "60"],
    ]
    assert rows[0][2] == "+0.0 (\N{MINUS SIGN}6.0 to +6.0)" or rows[0][4] == "no pair tells"
    assert page.all("img")[0]["alt"].startswith("Survival curves of 3 groups of runs")


def test_where_there_are_no_pairs_it_is_said(made, tmp_path):
    bpjax.sweep(xor(), 30, first_seed=500, max_epochs=CAP + 1, out=tmp_path / "later")
    page = Page(report([made / "two", tmp_path / "later"]))
    assert "No seed is in common, so there are no pairs of runs." in page.text
    ((_, row),) = page.tables["Beside two, over the same seeds"]
    assert row[:2] == ["later", "none"]
    assert "share seeds" not in page.text


def test_two_settings_are_told_in_a_sentence(made):
    _, other = bpjax.compare({name: bpjax.load(made / name) for name in ("two", "three")})
    value = f"{100 * other.pairs.difference.estimate:+.1f}"
    page = Page(report([made / "two", made / "three"]))
    assert f"Over the 150 seeds in common, {value} points (" in page.text
    assert ") more runs converge with three than with two (p " in page.text


def test_a_large_grid_has_maps_and_says_what_is_left_out(made, tmp_path):
    settings = {
        "learning_rate": [0.1 + 0.01 * k for k in range(21)],
        "momentum": [0.05 * k for k in range(10)],
    }
    bpjax.sweep(xor(), 1, max_epochs=2, out=tmp_path / "large", **settings)
    page = Page(report([tmp_path / "large"]))
    assert "Survival curves of 210 settings are too many for a figure." in page.text
    assert "They are 210 settings, too many to be compared on a page." in page.text
    assert len(page.all("img")) == 1


def test_shards_are_one_sweep(made):
    bpjax.sweep(xor(), 100, max_epochs=CAP, out=made / "whole")
    shards = Page(report([made / f"shard{k}" for k in (3, 1, 2)]))
    whole = Page(report([made / "whole"]))
    for caption in ("How the runs ended", "How many epochs it took"):
        assert shards.tables[caption] == whole.tables[caption]
    assert len(shards.tables["Where and when"][0]) == 4
    for k in (1, 2, 3):
        assert f"bpjax sweep xor --max-epochs 1200 --seeds 100 --shard {k}/3" in shards.text
    alone = Page(report([made / "shard2"]))
    assert "This is shard 2 of 3 of a sweep." in alone.text
    assert "Not finished" not in alone.text
    two = Page(report([made / "shard1", made / "shard2"]))
    assert "Not finished: 34 of 100 runs are missing (seeds 66 to 99)." in two.text


def test_a_stopped_sweep_is_reported_as_far_as_it_is_there(made, tmp_path):
    copy = forged(made / "two", tmp_path / "a b", stop=120)
    page = Page(report([copy]))
    assert "Not finished: 80 of 200 runs are missing (seeds 120 to 199)." in page.text
    assert " of 120 runs converged" in page.text
    command = "bpjax sweep xor --max-epochs 1200 --seeds 200 --out "
    assert f"{command}{shlex.quote(str(copy))}" in page.text


def test_a_run_is_shown_with_its_weights(made):
    outcome = json.loads((made / "run" / "run.json").read_text())["outcome"]
    saved = load_run(made / "run")
    page = Page(report([made / "run"]))
    right = f"{outcome['num_right']} of 4 cases right"
    assert (
        "Seed 7 had not converged at its cap of 600 epochs (criterion tolerance 0.5)" in page.text
    )
    assert right in page.text
    ((_, *rows),) = page.tables["Weights at the start and at the end"]
    assert [row[0] for row in rows] == list(saved.weight_names)
    assert [float(row[2].replace("\N{MINUS SIGN}", "-")) for row in rows] == pytest.approx(
        saved.snapshots.weights[-1], abs=6e-5
    )
    assert len(page.all("img")) == 4  # with weights and activities, as the task is known


def test_answers_to_held_out_cases_are_told(tmp_path):
    bpjax.sweep(bpjax.tasks.parity(bits=2), 5, max_epochs=3, out=tmp_path / "none")
    task = dataclasses.replace(xor(), held_out=2)
    bpjax.sweep(task, 40, max_epochs=CAP, out=tmp_path / "some")
    found = json.loads((tmp_path / "some" / "summary.json").read_text())["held_out"]
    page = Page(report([tmp_path / "some"]))
    ((head, *rows),) = page.tables["Answers to the cases held out"]
    assert head[2] == "of 2 cases right"
    assert rows[-1][:2] == ["all runs", "40"]
    assert found["all_runs"]["share_right"] != found["all_runs"]["all_right"]
    for text, key in zip(rows[-1][2:], ("share_right", "all_right"), strict=True):
        share, interval = map(plain, rate(found["all_runs"][key]))
        assert text == f"{share} ({interval})"
    assert "Answers to the cases held out" not in Page(report([tmp_path / "none"])).tables


def test_runs_that_broke_are_pointed_out(made, tmp_path):
    def break_some(columns):
        columns["status"][:5] = bpjax.Status.NONFINITE

    page = Page(report([forged(made / "two", tmp_path / "broken", columns=break_some)]))
    assert "5 runs left the finite numbers. They count as runs that never converge." in page.text


def test_sweeps_that_cannot_be_compared(made, tmp_path):
    def stop_all(columns):
        columns["status"][:] = bpjax.Status.MAX_EPOCHS
        columns["epochs"][:] = CAP

    folders = [forged(made / name, tmp_path / name, columns=stop_all) for name in ("two", "three")]
    page = Page(report(folders))
    assert "The log-rank test cannot compare them" in page.text
    assert "so there is no median" in page.text


def test_the_page_is_made_for_everybody(made):
    html = report([made / "two", made / "three", made / "grid", made / "run"])
    page = Page(html)
    assert html.startswith("<!DOCTYPE html>")
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("title")) == len(page.all("main")) == len(page.all("h1")) == 1
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all(
        "meta"
    )
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all(attributes.get("scope") in ("col", "row") for attributes in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table"))
    assert all(len(attributes["alt"]) > 40 for attributes in page.all("img"))
    for query in ("prefers-color-scheme: dark", "@media print"):
        assert query in html


def test_the_page_needs_nothing_but_itself(made):
    html = report([made / "two", made / "three", made / "run"])
    page = Page(html)
    assert not {"script", "link", "iframe", "object", "base"} & {tag for tag, _ in page.elements}
    for _, attributes in page.elements:
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        assert attributes.get("href", "#").startswith("#")
        for source in ("src", "srcset"):
            assert attributes.get(source, "data:image/").startswith("data:image/")
    assert "url(" not in html
    assert "@import" not in html
    for image in page.all("img"):
        kind, _, drawing = image["src"].partition(";base64,")
        assert kind == "data:image/svg+xml"
        ElementTree.fromstring(base64.b64decode(drawing))


def test_a_drawing_that_is_too_large_is_shown_as_pixels(made, monkeypatch):
    monkeypatch.setattr(figures, "LARGEST_SVG", 1000)
    for image in Page(report([made / "two"])).all("img"):
        kind, _, pixels = image["src"].partition(";base64,")
        assert kind == "data:image/png"
        assert base64.b64decode(pixels).startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_large_sweep_makes_a_small_page(made, tmp_path):
    """A million runs, kept as counts, that ended after 12,000 different epochs, in seven groups."""
    dice = np.random.default_rng(0)
    folders = []
    for k in range(7):
        count = dice.multinomial(10**6, np.full(12_000, 1 / 12_000))
        columns = {
            "status": np.where(np.arange(12_000) < 11_000, 1, 2).astype(np.int8),
            "epochs": np.arange(1, 12_001).astype(np.int32),
            "count": count,
        }

        def million(identity, k=k):
            identity["seeds"] = [[0, 10**6]]
            identity["task"]["recipe"]["max_epochs"] = 12_000 + k

        folder = forged(made / "counts", tmp_path / str(k), million, stop=0)
        with SweepFolder.open_for_writing(folder, identity_of(folder), environment()) as opened:
            opened.publish_chunk([(0, 10**6)], columns)
        folders.append(folder)
    assert len(report(folders[:1])) < 500_000
    html = report(folders)
    assert len(html) < 5_000_000
    assert "7,000,000" not in html
    assert Page(html).tables["How the runs ended"][0][1][1] == f"{count_of(folders[0]):,}"


def count_of(folder):
    columns = bpjax.results.store.read_runs(folder).columns
    return int(columns["count"][columns["status"] == 1].sum())


# ---- how to repeat it ----------------------------------------------------------------------------


def planned(words, command="sweep"):
    """The plan that the command line makes of these words."""
    options = parse(SweepOptions if command == "sweep" else TrainOptions, command, words)
    variants, others = task_variants(options.task, options.settings)
    if command == "train":
        return plan_run(variants[0], int(options.seed or 0), **others)
    shard = options.shard and tuple(map(int, options.shard.split("/")))
    return make_plan(
        variants,
        int(options.seeds or 1000),
        first_seed=int(options.first_seed or 0),
        keep_weights=options.keep_weights,
        summary_only=options.summary_only,
        shard=shard,
        **others,
    )


COMMANDS = [
    *TASKS,
    "xor --hidden 3 --learning-rate 0.1 0.5 --seeds 7",
    "xor --hidden 2 3 4 --seeds 10 --first-seed 90",
    "xor --set direct=true --set off=0.1",
    "xor --learning-rate 0.1:10:log7 --momentum 0:0.9:lin4 --tolerance 0.4 --shard 2/3",
    "xor --loss-below 0.01 --max-epochs 50 --precision float64 --implementation matrix",
    "xor --tolerance 0.1 0.4 --keep-weights",
    "xor --optimizer adam sgd --learning-rate 0.05 --summary-only",
    "xor --set updates=case,batch --set copies=sum --weight-decay 0.001 --init-range 0.5 1.5",
    "xor --set distribution=normal --set biases=zero --set decay_biases=false",
    "xor --set 'distribution=uniform; input -> hidden: nguyen-widrow(factor=1.4)' --init-range 2",
    "xor --set 'distribution=range(low=-0.2, high=0.8)' --optimizer 'adamw(weight_decay=0.01)' sgd",
    "xor --optimizer 'delta-bar-delta(kappa=0.1)' quickprop --set biases=zero",
    "parity --set bits=3,4 --hidden 4 6",
    "parity --set hidden=4,6 --set bits=3,4",
    "parity --set bits=6 --hidden 4",
    "encoder --set size=4,8 --optimizer rprop --set updates=batch",
    "family-trees --set recipe=printed",
    "sequence --set held_out=2",
]


@pytest.mark.parametrize("words", COMMANDS)
def test_the_command_has_the_same_fingerprint(words):
    identity = as_stored(planned(shlex.split(words)).identity())
    found = repeat(identity)
    bpjax_, sweep, *again = shlex.split(found.line)
    assert (bpjax_, sweep) == ("bpjax", "sweep")
    assert fingerprint(planned(again).identity()) == fingerprint(identity)
    assert len(again) <= len(shlex.split(words)) + 16  # nothing is said that goes without saying


@pytest.mark.parametrize("words", ["xor --seed 7", "encoder --seed 0 --set size=4 --momentum 0.5"])
def test_the_command_of_a_run_has_the_same_fingerprint(words):
    identity = as_stored(planned(shlex.split(words), "train").identity())
    _, command, *again = shlex.split(repeat(identity, "train").line)
    assert command == "train"
    assert fingerprint(planned(again, "train").identity()) == fingerprint(identity)


def test_running_the_command_makes_the_same_sweep(tmp_path, capsys):
    words = "sweep xor --hidden 2 3 --set on=0.9 --learning-rate 0.3 --seeds 20 --max-epochs 50"
    assert main([*words.split(), "--no-figures", "--out", str(tmp_path / "once")]) == 0
    text = Page(report([tmp_path / "once"])).text
    (line,) = re.findall(r"bpjax sweep xor .*? --seeds 20", text)
    again = [*shlex.split(line)[1:], "--no-figures", "--out", str(tmp_path / "again")]
    assert main(again) == 0
    once, twice = (json.loads((tmp_path / n / "sweep.json").read_text()) for n in ("once", "again"))
    assert once["fingerprint"] == twice["fingerprint"]


def test_what_the_command_line_cannot_say_has_no_command(made, tmp_path):
    task = xor()
    schedule = bpjax.schedule.Schedule((0.1, 0.2), (20,))
    for plan in (
        make_plan(task, 10, learning_rate=[0.5]),  # a grid of one point
        make_plan(task, 10, tolerance=[0.4, 1]),  # 1 is not 1.0
        make_plan(task, 10, momentum=[0.5, 0.9], learning_rate=[0.1, 0.2]),  # another order
        make_plan(task, 10, learning_rate=schedule),
        make_plan(task, 10, block_size=50),
        make_plan(bpjax.task.Task(**{**vars(task), "inputs": 1 - task.inputs}), 10),
        make_plan(bpjax.task.Task(**{**vars(task), "name": "mine"}), 10),
    ):
        identity = as_stored(plan.identity())
        assert fingerprint(identity)
        assert repeat(identity) is None
    run_plan(make_plan(task, 5, max_epochs=3, block_size=50), tmp_path / "blocks")
    assert "no option of the command line says" in report([tmp_path / "blocks"])


def test_compiler_flags_are_part_of_the_command():
    identity = as_stored(make_plan(xor(), 10).identity())
    own = bpjax.sweeps.devices.SMALL_LOOP_FLAG
    for flags, prefix, same in (
        (own, "", True),
        (f"--xla_a=1 {own}", "XLA_FLAGS=--xla_a=1 ", True),
        ("--xla_a=1 --xla_b=2", "XLA_FLAGS='--xla_a=1 --xla_b=2' ", False),
        ("", "", False),
    ):
        found = repeat({**identity, "xla_flags": flags})
        assert found.line == f"{prefix}bpjax sweep xor --seeds 10"
        assert found.same_compiler is same


def test_a_sweep_of_another_device_names_its_implementation_in_the_command_that_repeats():
    """What is automatic there is not known here."""
    here = make_plan(bpjax.tasks.encoder(), 5)
    assert repeat(as_stored(here.identity())).line == "bpjax sweep encoder --seeds 5"
    there = here.identity() | {"device_kind": "NVIDIA H100", "block_size": 2**20}
    line = "bpjax sweep encoder --implementation matrix --seeds 5"
    assert repeat(as_stored(there)).line == line


def test_a_run_says_how_often_it_was_recorded(made):
    assert "bpjax train xor --max-epochs 600 --seed 7 --record-every 5" in report([made / "run"])


# ---- it only shows -------------------------------------------------------------------------------


def identity_of(folder):
    return json.loads((folder / "sweep.json").read_text())["identity"]


def forged(source, target, identity=None, made_by=None, columns=None, stop=None):
    """A folder with another identity, environment or columns, sealed as if bpjax had made it."""
    there = identity_of(source)
    if identity:
        identity(there)
    maker = environment()
    if made_by:
        made_by(maker)
    table = {k: np.array(v) for k, v in bpjax.results.store.read_runs(source).columns.items()}
    if columns:
        columns(table)
    with SweepFolder.open_for_writing(target, there, maker) as folder:
        if stop is None:
            runs = runs_of(there)
            first, last = int(runs[0, 0]), int(runs[-1, 1])
            data = pack(folder._header(first, last), {HELD: to_lengths(runs)} | table)
            files.publish(folder.path / "chunks" / chunk_name(first, last), data)
        elif stop:
            part = {name: column[:stop] for name, column in table.items()}
            folder.publish_chunk([(0, stop)], part)
    return target


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "</style></title></textarea><!-- ",
    "&lt;b&gt; &#x3c;",
    "\x00\x1b[31m\u202e\ud800\n\r",
    "]]><![CDATA[",
    "$\\frac$ _{x} 日本",
    "-" * 5000,
]


def hostile_sweep(source, target, text):
    """A folder whose every string is `text`, as far as the counting of runs allows."""

    def identity(there):
        task = there["task"]
        task["name"] = task["criterion"] = text
        task["options"] = {f"{text} option": text, **task["options"]}
        task["recipe"] |= {"optimizer": text, text: text}
        for key in ("implementation", "xla_flags", "device_kind", "jax", "bpjax"):
            there[key] = text
        there["grid"] = {text: [text, f"{text}2"]}
        there["columns"] = [text]
        there["seeds"][0][1] //= 2

    def made_by(maker):
        maker["versions"] = {text: text}
        maker["device_kind"] = text

    def columns(table):
        half = len(table["seed"]) // 2
        table["seed"] = np.tile(np.arange(half, dtype=np.uint32), 2)
        table[text] = np.repeat([text, f"{text}2"], half)

    return forged(source, target, identity, made_by, columns)


@pytest.fixture(scope="module")
def harmless(made, tmp_path_factory):
    """The same page with strings that nobody could mistake for markup."""
    home = tmp_path_factory.mktemp("harmless")
    return Page(report([hostile_sweep(made / "two", home / "sweep", "harmless")]))


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_string_is_text(made, harmless, tmp_path, text):
    page = check_hostile(made, harmless, tmp_path / "sweep", text)
    assert f"{' '.join(printable(text).replace('_', ' ').split())} option" in page.text


def check_hostile(made, harmless, target, text):
    try:
        folder = hostile_sweep(made / "two", target, text)
        html = report([folder])
    except (UnicodeEncodeError, ValueError, ResultsError):
        assert not text.isprintable()  # it cannot be the name of a column in a file
        folder = forged(
            made / "two",
            target.with_name("other"),
            lambda there: there["task"].update(name=text, options={f"{text} option": text}),
        )
        html = report([folder])
        html.encode()
        return Page(html)
    html.encode()
    page = Page(html)
    assert page.skeleton == harmless.skeleton
    for one, other in zip(page.elements, harmless.elements, strict=True):
        for name in ("href", "id", "class", "scope", "content", "lang", "charset"):
            assert one[1].get(name) == other[1].get(name)
        assert one[1].get("src", "data:image/").startswith("data:image/")
    return page


text_of_any_kind = st.text(
    st.one_of(st.sampled_from("<>&\"'`={}%/\\$_-! \n\x00"), st.characters()),
    min_size=1,
    max_size=20,
)


@settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.generate],  # pages take too long to make for a search of the simplest
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(text_of_any_kind)
def test_any_string_is_text(made, harmless, tmp_path_factory, text):
    check_hostile(made, harmless, tmp_path_factory.mktemp("any") / "sweep", text)


def test_long_options_are_told_apart(tmp_path):
    """Options whose words differ where a figure has no more room for them."""
    variants = [
        dataclasses.replace(xor(), name="xor" * 50, options={"words": "same" * 20 + end})
        for end in ("a", "b")
    ]
    bpjax.sweep(variants, 4, max_epochs=5, out=tmp_path / "long")
    page = Page(report([tmp_path / "long"]))
    assert [row[0] for row in page.tables["Each point of the grid"][0][1:]] == [
        "same" * 20 + end for end in ("a", "b")
    ]


def seal_run(folder, record=None):
    """Seal the folder of a run as its files are, as a stranger could."""
    record = record or json.loads((folder / "run.json").read_text())
    for name in record["files"]:
        if (folder / name).exists():
            record["files"][name] = [sha256((folder / name).read_bytes()).hexdigest()]
    record.pop("seal", None)
    (folder / "run.json").write_bytes(sealed(record))


@pytest.mark.slow
def test_hostile_strings_of_a_run_are_text(made, tmp_path):
    text = "<script>alert(1)</script>\"'"
    plainly = Page(report([made / "run"]))
    shutil.copytree(made / "run", tmp_path / text[:8])
    file = tmp_path / text[:8] / "run.json"
    record = json.loads(file.read_text())
    record["outcome"] |= {"network": text, "criterion": text}
    record["environment"]["versions"] = {text: text}
    history = file.with_name("history.csv")
    history.write_text(history.read_text().replace(" hidden", " <b>hidden"))
    seal_run(file.parent, record)
    page = Page(report([file.parent]))
    assert page.skeleton == plainly.skeleton
    assert text in page.text


# ---- what it refuses -----------------------------------------------------------------------------


def rewrite(path, change):
    """Change the identity in a sweep.json and let its fingerprint fit."""
    manifest = json.loads(path.read_text())
    manifest.pop("seal")
    change(manifest)
    manifest["fingerprint"] = fingerprint(dict(manifest["identity"]))
    for copy in (path, path.with_name("sweep-copy.json")):
        copy.write_bytes(sealed(manifest))


def both(change):
    """Change sweep.json, and its copy likewise."""

    def change_both(folder):
        for name in ("sweep.json", "sweep-copy.json"):
            change(folder / name)

    return change_both


def chunk_of(folder):
    return min((folder / "chunks").glob("*.npz"))


def flip(file, place):
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(data)


def in_identity(**changes):
    return lambda f: rewrite(f / "sweep.json", lambda m: m["identity"].update(changes))


def in_task(**changes):
    return lambda f: rewrite(f / "sweep.json", lambda m: m["identity"]["task"].update(changes))


DAMAGE = {
    "no sweep.json": (both(Path.unlink), "it has no sweep.json"),
    "truncated": (
        both(lambda file: file.write_bytes(file.read_bytes()[:99])),
        "sweep.json' is damaged",
    ),
    "flipped": (both(lambda file: flip(file, 200)), "sweep.json' is damaged"),
    "a list": (both(lambda file: file.write_text("[]")), "sweep.json' is damaged"),
    "no text": (both(lambda file: file.write_bytes(b"\xff\xfe")), "sweep.json' is damaged"),
    "deep": (both(lambda file: file.write_text("[" * 10**5)), "sweep.json' is damaged"),
    "an identity of pairs": (
        lambda f: rewrite(f / "sweep.json", lambda m: m.update(identity=[["task", 1]])),
        "describes no sweep: `identity` is not as bpjax writes it",
    ),
    "a task that is a number": (in_identity(task=1), "`identity.task` is not as bpjax"),
    "no tasks": (in_identity(task=[]), "`identity.task` is not as bpjax"),
    "no name": (in_task(name=None), "`identity.task` is not as bpjax"),
    "a cap in words": (in_task(recipe={"max_epochs": "many", "init_range": 1}), "`identity.task`"),
    "seeds in words": (in_identity(seeds=[["a", 2]]), "`identity.seeds` is not as"),
    "too many seeds": (in_identity(seeds=[[2**32 - 1, 2**32 + 1]]), "do not fit 32 bits"),
    "no seeds": (in_identity(seeds=[]), "`identity.seeds` is not as"),
    "seeds in disorder": (in_identity(seeds=[[5, 9], [2, 3]]), "`identity.seeds` is not as"),
    "a grid of nothing": (in_identity(grid={"learning_rate": []}), "`identity.grid` is not as"),
    "a tolerance in words": (in_identity(grid={"tolerance": ["a", "b"]}), "`identity.grid` is not"),
    "a recipe without weights": (
        in_task(recipe={"max_epochs": 9, "init_range": 1, "initializer": None}),
        "`identity.task` is not as bpjax",
    ),
    "a cap beyond counting": (
        in_task(recipe={"max_epochs": 2**31, "init_range": 1, "initializer": ""}),
        "`identity.task` is not as bpjax",
    ),
    "held-out cases in words": (in_task(held_out="two"), "`identity.task` is not as bpjax"),
    "other held-out cases": (in_identity(num_held_out=2), "`num_held_out` is not that of"),
    "an unknown column": (in_identity(columns=["a"]), "`columns` holds 'a'"),
    "runs that do not fit": (
        in_identity(runs=[[0, 2**62]], shard={"index": 1, "count": 2}),
        "it describes no sweep",
    ),
    "other runs": (
        in_identity(runs=[[0, 201]], shard={"index": 1, "count": 2}),
        "are not those of its seeds",
    ),
    "runs of no shard": (in_identity(runs=[[0, 100]]), "must name its runs where it is a shard"),
    "a shard that is none": (
        in_identity(runs=[[0, 100]], shard={"index": 3, "count": 2}),
        "none of its shards",
    ),
    "no environment": (
        lambda f: rewrite(f / "sweep.json", lambda m: m.update(environment={})),
        "`environment.versions` is missing",
    ),
    "versions that are numbers": (
        lambda f: rewrite(f / "sweep.json", lambda m: m["environment"].update(versions={"a": 1})),
        "`environment.versions` is not as bpjax",
    ),
    "another format": (
        lambda f: rewrite(f / "sweep.json", lambda m: m.update(format=FORMAT + 1)),
        f"has format {FORMAT + 1}, and this bpjax reads {FORMAT}",
    ),
    "a flipped chunk": (lambda f: flip(chunk_of(f), 500), "damaged chunk '"),
    "half a chunk": (
        lambda f: chunk_of(f).write_bytes(chunk_of(f).read_bytes()[:500]),
        "damaged chunk '",
    ),
    "a chunk of another sweep": (in_identity(precision="float64"), "it belongs to another sweep"),
    "no chunk": (
        lambda f: [chunk.unlink() for chunk in (f / "chunks").iterdir()],
        "no run is finished yet",
    ),
    "no chunks": (lambda f: shutil.rmtree(f / "chunks"), "no run is finished yet"),
    "chunks that are a file": (
        lambda f: (shutil.rmtree(f / "chunks"), (f / "chunks").write_text("")),
        "no run is finished yet",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_one_sentence(made, tmp_path, capsys, damage):
    break_it, words = DAMAGE[damage]
    folder = tmp_path / "sweep"
    shutil.copytree(made / "two", folder)
    break_it(folder)
    refused([folder], words, capsys)
    assert not (folder / "report.html").exists()


def refused(folders, words, capsys, *options):
    assert main(["report", *map(str, folders), *options]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("bpjax: ")
    assert printed.err.count("\n") == 1
    assert "Traceback" not in printed.err
    assert words in printed.err


def take_status(table):
    del table["status"]


def unknown_status(table):
    table["status"][0] = 9


def epochs_in_words(table):
    table["epochs"] = table["epochs"].astype(str)


def negative_epochs(table):
    table["epochs"][0] = -1


def counts_in_words(table):
    table["count"] = table["count"].astype(str)


def other_seeds(table):
    table["seed"] += 1


def foreign_setting(table):
    table["momentum"][0] = 0.1


COLUMNS = {
    take_status: ("two", "its columns are not those of its sweep, see 'status'"),
    unknown_status: ("two", "column 'status' must hold whole numbers from 1 to 3"),
    epochs_in_words: ("two", "column 'epochs' must hold whole numbers"),
    negative_epochs: ("two", "column 'epochs' must hold whole numbers"),
    counts_in_words: ("counts", "column 'count' must hold whole numbers"),
    other_seeds: ("two", "column 'seed' must hold seeds 0 to 199"),
    foreign_setting: ("grid", "column 'momentum' must hold the settings of its runs"),
}


@pytest.mark.parametrize("change", COLUMNS, ids=lambda change: change.__name__)
def test_sealed_columns_that_are_none(made, tmp_path, capsys, change):
    name, words = COLUMNS[change]
    refused([forged(made / name, tmp_path / "sweep", columns=change)], words, capsys)


def test_a_header_that_says_nothing(made, tmp_path, capsys):
    folder = tmp_path / "sweep"
    shutil.copytree(made / "two", folder)
    opened = SweepFolder.open_for_reading(folder)
    table = opened.read_chunk(chunk_of(folder)).columns
    chunk_of(folder).write_bytes(pack({"fingerprint": opened.fingerprint}, table))
    refused([folder], "its header does not say which runs it holds", capsys)
    chunk_of(folder).write_bytes(b"nonsense" + seal_of(b"nonsense"))
    refused([folder], "it cannot be decoded", capsys)


def test_a_gap_is_told(made, tmp_path):
    whole = bpjax.results.store.read_runs(made / "two").columns
    there = identity_of(made / "two")
    with SweepFolder.open_for_writing(tmp_path / "gap", there, environment()) as folder:
        for start, stop in ((0, 50), (100, 200)):
            folder.publish_chunk([(start, stop)], {k: v[start:stop] for k, v in whole.items()})
    page = Page(report([tmp_path / "gap"]))
    assert "Not finished: 50 of 200 runs are missing (seeds 50 to 99)." in page.text


def in_record(change):
    """Change what run.json says, sealed; nothing is left of its copy."""

    def change_record(folder):
        record = json.loads((folder / "run.json").read_text())
        change(record)
        seal_run(folder, record)
        (folder / "weights.npz").unlink()

    return change_record


def in_history(change):
    """Change the table, and the digest of it."""

    def change_history(folder):
        data = (folder / "history.csv").read_bytes()
        assert change(data) != data
        (folder / "history.csv").write_bytes(change(data))
        seal_run(folder)

    return change_history


def not_ended(folder):
    record = json.loads((folder / "run.json").read_text())
    content = {"format": record["format"], "identity": record["identity"], "outcome": None}
    (folder / "run.json").write_bytes(sealed(content))


def other_weights(folder):
    data = (folder / "weights.npz").read_bytes()
    header, arrays = unpack(data)
    (folder / "weights.npz").write_bytes(pack(header, {**arrays, "names": arrays["names"][1:]}))
    seal_run(folder)


def without(*names):
    return lambda folder: [(folder / name).unlink() for name in names]


def half(name):
    def cut(folder):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2])

    return cut


RUN_DAMAGE = {
    "no run.json": (without("run.json", "weights.npz"), "it has no sweep.json"),
    "half a run.json": (
        lambda f: (half("run.json")(f), half("weights.npz")(f)),
        "run.json' is damaged: its bytes do not match its checksum, and so is its copy",
    ),
    "a seed in words": (
        in_record(lambda record: record["outcome"].update(seed="7")),
        "`run.outcome.seed` is not as bpjax",
    ),
    "an unknown outcome": (
        in_record(lambda record: record["outcome"].update(status="WELL")),
        "`run.outcome.status` is not as bpjax",
    ),
    "an identity of nothing": (in_record(lambda record: record.update(identity={})), "is missing"),
    "no digests": (in_record(lambda record: record.update(files={})), "`files.history.csv` is mi"),
    "other epochs": (
        in_history(lambda data: data[: data[:-1].rindex(b"\n") + 1]),
        "history.csv' is damaged: it does not end as run.json says",
    ),
    "not ended": (not_ended, "holds a run that has not ended"),
    "no history": (without("history.csv"), "history.csv' is damaged: it is not there"),
    "half a history": (half("history.csv"), "do not match its checksum in run.json"),
    "a history without losses": (
        in_history(lambda data: data.replace(b"loss", b"gain")),
        "history.csv' is damaged: it is no history of a run",
    ),
    "nan epochs": (in_history(lambda d: d.replace(b"\n5,", b"\nnan,")), "no history of a run"),
    "epochs that go back": (in_history(lambda d: d.replace(b"\n5,", b"\n0,")), "no history of a"),
    "an empty history": (in_history(lambda data: b""), "no history of a run"),
    "colours in a history": (in_history(lambda d: d.replace(b" h", b" \x1b[3m")), "does not print"),
    "no weights": (without("weights.npz"), "weights.npz' is damaged: it is not there"),
    "half the weights": (half("weights.npz"), "weights.npz' is damaged: its bytes do not match"),
    "other weights": (other_weights, "it holds no weights of a run"),
}


@pytest.mark.parametrize("damage", RUN_DAMAGE)
def test_damage_of_a_run_is_one_sentence(made, tmp_path, capsys, damage):
    change, words = RUN_DAMAGE[damage]
    folder = tmp_path / "run"
    shutil.copytree(made / "run", folder)
    change(folder)
    refused([folder], words, capsys)


def test_places_that_are_no_results_folder(made, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    refused([tmp_path / "empty"], "is not a results folder: it has no sweep.json", capsys)
    refused([tmp_path / "file"], "is a file, not a folder", capsys)
    refused([tmp_path / "nowhere"], "cannot read", capsys)
    refused(["nul\0byte"], "cannot use 'nul\\x00byte'", capsys)
    refused([""], "is not a results folder", capsys) if not Path("sweep.json").exists() else None
    refused([], "DIR must name at least one results folder", capsys)
    refused([made / "two", made / "." / "two"], "is named twice", capsys)
    shutil.copytree(made / "two", tmp_path / "copy")
    refused([made / "two", tmp_path / "copy"], "name folders that share no run", capsys)


def test_a_folder_that_may_not_be_read(made, capsys, monkeypatch):
    def refuse(path, *rest):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files, "read", refuse)
    for name in ("two", "run"):
        refused([made / name], "Permission denied", capsys)


TIMES = '{"compile": 1, "run": 1e300, "runs": 1}, "seed_epochs_per_second": 1e300'


@pytest.mark.parametrize(
    ("content", "is_sealed"),
    [
        (None, False),
        ("", False),
        ("[]", False),
        ("{", False),
        ("[" * 10**5, False),
        ('{"seconds": {"compile": "<b>", "run": 1, "runs": 1}, "seed_epochs_per_second": 1}', True),
        (f'{{"seconds": {TIMES}, "occupancy": null}}', True),
        ('{"seconds": null, "num_runs": 1, "occupancy": NaN}', False),
    ],
    ids=range(8),
)
def test_without_a_summary_only_the_times_are_missing(made, tmp_path, content, is_sealed):
    folder = tmp_path / "sweep"
    shutil.copytree(made / "two", folder)
    (folder / "summary.json").unlink()
    if is_sealed:
        own = {"fingerprint": SweepFolder.open_for_reading(folder).fingerprint, "num_runs": 200}
        (folder / "summary.json").write_bytes(sealed({**json.loads(content), **own}))
    elif content is not None:
        (folder / "summary.json").write_text(content)
    whole = Page(report([made / "two"]))
    damaged = content is not None and not is_sealed
    unused = r"summary\.json' is not used"
    with pytest.warns(UserWarning, match=unused) if damaged else nullcontext():
        page = Page(report([folder]))
    assert page.tables["How the runs ended"] == whole.tables["How the runs ended"]
    assert whole.tables["Where and when"][0][0][3:] == [
        "compiled in",
        "trained in",
        "runs in that time",
        "seed-epochs/s",
    ]
    assert len(page.tables["Where and when"][0][0]) == 3


# ---- the file ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_file_is_put_into_the_first_folder_and_replaced(made, capsys):
    assert main(["report", str(made / "two"), str(made / "run")]) == 0
    file = made / "two" / "report.html"
    assert capsys.readouterr().out == f"report: {file}\n"
    assert file.read_text() == report([made / "two", made / "run"])
    assert write_report([made / "two"]) == file
    assert file.read_text() == report([made / "two"])
    assert bpjax.results.store.verify(made / "two").ok
    file.unlink()


def test_the_report_can_go_to_standard_output(made, capsys):
    assert main(["report", str(made / "two"), "--out", "-"]) == 0
    assert capsys.readouterr().out == report([made / "two"])
    assert not (made / "two" / "report.html").exists()


def test_only_a_report_is_replaced(made, tmp_path, capsys):
    thesis = tmp_path / "thesis.html"
    thesis.write_text("<html>my thesis</html>")
    for file in (thesis, made / "two" / "sweep.json", tmp_path):
        before = None if file.is_dir() else file.read_bytes()
        refused([made / "two"], "is there and not a report", capsys, "--out", str(file))
        assert before is None or file.read_bytes() == before
    nowhere = str(tmp_path / "no" / "such" / "report.html")
    refused([made / "two"], "cannot write", capsys, "--out", nowhere)
    refused([made / "two"], "cannot write", capsys, "--out", "nul\0byte")
    with pytest.raises(ResultsError, match="at least one results folder"):
        write_report([])


# ---- in a browser --------------------------------------------------------------------------------


@pytest.mark.browser
@pytest.mark.parametrize("scheme", daily(["light"], of=["light", "dark"]))
@pytest.mark.parametrize("width", daily([390], of=[1280, 390]))
def test_a_browser_shows_it_without_a_complaint(made, tmp_path, browser_page, width, scheme):
    long = tmp_path / ("a-very-long-name-" * 12)
    hostile = hostile_sweep(made / "two", tmp_path / "hostile", "<img src=//x.y/z>" * 9)
    shutil.copytree(made / "grid", long)
    folders = [made / "two", long, hostile, made / "run"]
    file = write_report(folders, tmp_path / "report.html")
    browser_page.open(file, width, scheme)
    assert browser_page.console == []
    assert browser_page.requests == [file.resolve().as_uri()]
    assert browser_page.overflow == 0
    page = browser_page.page
    broken = "[...document.images].filter(i => !i.complete || !i.naturalWidth).length"
    assert page.evaluate(broken) == 0
    assert page.evaluate("document.images.length") >= 5
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    darkness = sum(map(int, re.findall(r"\d+", background)[:3]))
    assert (darkness < 150) if scheme == "dark" else (darkness > 700)


SHOWN = """[...document.images].map(image => {
  const box = image.getBoundingClientRect(), style = getComputedStyle(image);
  const inside = box.width - parseFloat(style.paddingLeft) * 2 - 2;
  return {left: box.left, right: box.right, phone: image.currentSrc !== image.src,
          pixelsPerPoint: inside / (image.naturalWidth * 0.75)};
})"""


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_figures_are_whole_and_can_be_read(made, tmp_path, browser_page, width):
    """On a phone they are drawn for it: what is 8.5 points in them is at least nine pixels."""
    file = write_report([made / "grid", made / "two", made / "run"], tmp_path / "report.html")
    browser_page.open(file, width)
    figures_shown = browser_page.page.evaluate(SHOWN)
    assert len(figures_shown) == 10
    for shown in figures_shown:
        assert 0 <= shown["left"] < shown["right"] <= width
        assert shown["phone"] == (width == 390)
        assert 8.5 * shown["pixelsPerPoint"] >= 9
    scrolled = (
        "[...document.querySelectorAll('figure *')].filter(e => e.scrollWidth > e.clientWidth + 1)"
    )
    assert browser_page.page.evaluate(f"{scrolled}.length") == 0
