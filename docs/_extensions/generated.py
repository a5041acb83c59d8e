"""What the pages say of commands, tasks, speed and modules, asked of them at every build.

- `command-help NAME ...`: what `bpjax NAME --help` prints; without a name, `bpjax --help`.
- `task-list`: every task with its network, its recipe and what the sources leave open.
- `experiment-keys`: every key of an experiment file, with its rule and its default.
- `new-experiment NAME`: the file that `bpjax new NAME` writes.
- `speed-table FILE`: the rates of a bench record.
- `import-map PACKAGE`: the drawn map of a package, and a table of its modules.
"""

import contextlib
import importlib
import io
import os
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from docutils import nodes
from import_map import first_sentence, import_graph, ranks, svg
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from bpjax.cli import COMMANDS, main

COLUMNS = 84
"""Letters in a line of help: what the page has room for."""


class CommandHelp(SphinxDirective):
    """What a command says of itself."""

    optional_arguments = 2

    def run(self) -> list[nodes.Node]:
        """Return the help as it is printed."""
        if self.arguments and self.arguments[0] not in COMMANDS:
            raise self.error(f"there is no command {self.arguments[0]}")
        text = help_of(*self.arguments)
        return [nodes.literal_block(text, text, language="text", classes=["help"])]


def help_of(*command: str) -> str:
    """Return what `bpjax COMMAND --help` prints."""
    before, printed = os.environ.get("COLUMNS"), io.StringIO()
    os.environ["COLUMNS"] = str(COLUMNS)
    try:
        with contextlib.redirect_stdout(printed):
            code = main([*command, "--help"])
    finally:
        os.environ.pop("COLUMNS") if before is None else os.environ.update(COLUMNS=before)
    if code:
        raise RuntimeError(f"bpjax {' '.join(command)} --help ended with {code}")
    lines = printed.getvalue().rstrip().splitlines()
    return "\n".join(
        textwrap.fill(line, COLUMNS) if len(line) > COLUMNS else line for line in lines
    )


class TaskList(SphinxDirective):
    """Every task, from its own words."""

    def run(self) -> list[nodes.Node]:
        """Return one section per task."""
        from bpjax.tasks import TASKS

        return [section for name in TASKS for section in self._section(name)]

    def _section(self, name: str) -> Iterator[nodes.Node]:
        from bpjax.schedule import as_schedule
        from bpjax.tasks import make_task, option_defaults

        task = make_task(name)
        recipe, network = task.recipe, task.network
        options = ", ".join(f"{key}={value}" for key, value in option_defaults(name).items())
        rows = {
            "network": f"{network.describe()}, {network.num_parameters} parameters, "
            f"{task.num_cases} cases",
            "recipe": f"learning rate {as_schedule(recipe.learning_rate)}, momentum "
            f"{as_schedule(recipe.momentum)}, weights in ±{recipe.init_range}, "
            f"{recipe.updates} updates, at most {recipe.max_epochs:,} epochs",
            "solved": str(task.criterion),
            "options": options or "none",
            **{
                f"published {k}": f"{found.figure} ({found.mark}; {found.source})"
                + (f"; under {found.under}" if found.under else "")
                for k, found in enumerate(task.published, 1)
            },
            "open": task.open_choices,
            "source": task.source,
        }
        section = nodes.section(ids=[f"task-{name}"], names=[f"task-{name}"])
        title = nodes.title("", "")
        title += [nodes.literal("", name), nodes.Text(f": {task.title}")]
        section += title
        section += table([], [(key.split(" ")[0], words) for key, words in rows.items() if words])
        yield section


class ExperimentKeys(SphinxDirective):
    """Every key of an experiment file, table by table."""

    def run(self) -> list[nodes.Node]:
        """Return one section per table of the file."""
        from bpjax.experiment.schema import SECTIONS

        return [self._section(name) for name in SECTIONS]

    def _section(self, name: str) -> nodes.Node:
        from bpjax.experiment.schema import SECTIONS, keys_of
        from bpjax.experiment.template import default_words

        section = nodes.section(ids=[f"table-{name or 'top'}"], names=[f"table-{name or 'top'}"])
        title = nodes.title("", "")
        many = name in ("network.layers", "network.connections")
        written = f"[[{name}]]" if many else f"[{name}]"
        title += [nodes.literal("", written)] if name else [nodes.Text("Above all tables")]
        section += title
        section += nodes.paragraph("", "", *_words(SECTIONS[name]))
        head = ["key", "what it says", "must be", "default"]
        rows = [
            [f"`{key.name}`", key.help, key.kind.words, default_words(key)[1:-1].split(": ")[-1]]
            for key in keys_of(name).values()
        ]
        if rows:
            section += table(head, rows)
        return section


class NewExperiment(SphinxDirective):
    """The file that `bpjax new` writes."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return its text."""
        from bpjax.experiment.template import template

        text = template(self.arguments[0])
        return [nodes.literal_block(text, text, language="toml")]


CONTENDERS = {
    "numpy-one": "one net after another, NumPy",
    "numpy-batched": "all nets in one batch, NumPy",
    "idiom": "the JAX idiom, jit(vmap(scan(jax.grad + optax.sgd)))",
    "python-loop": "the same step jitted, called from a Python loop",
    "idiom-sharded": "the idiom under shard_map on all cores",
}
"""What the names in a record stand for; the others are our own implementations."""


class SpeedTable(SphinxDirective):
    """The rates of a bench record."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the table, the number, and a sentence on the machine."""
        from bpjax.bench.reading import read_record

        name, path = self.env.relfn2path(self.arguments[0])
        self.env.note_dependency(name)
        record = read_record(path)
        head = ["million seed-epochs per second", *(case["title"] for case in record["cases"])]
        machine = record["machine"]
        versions = next(iter(record["workers"].values()))["versions"]
        words = (
            f"{machine['cpu_model']}, {machine['num_cores']} cores; {record['dtype']}; "
            f"Python {machine['python']}, jax {versions['jax']}, jaxlib {versions['jaxlib']}, "
            f"NumPy {versions['numpy']}, optax {versions['optax']}, bpjax {machine['bpjax']}. "
            f"Medians of {record['budget']['rounds']} alternating rounds."
        )
        said = (nodes.paragraph("", text) for text in (*_number(record), words))
        return [table(head, speed_rows(record)), *said, *_refilling(record)]


def speed_rows(record: Mapping[str, Any]) -> list[list[str]]:
    """Return the rows of the table: a rate per case for every contender, then the ratios."""
    from bpjax.bench.table import significant

    cases = [{c["name"]: c for c in case["contenders"]} for case in record["cases"]]
    chosen = [case["chosen"] for case in record["cases"]]
    rows = [
        [words, *(significant(case[name]["median"] / 1e6) for case in cases)]
        for name, words in CONTENDERS.items()
    ]
    ours = [case[name] for case, name in zip(cases, chosen, strict=True)]
    rows.append(["bpjax sweep", *(significant(entry["median"] / 1e6) for entry in ours)])
    rows.append(["its implementation", *chosen])
    rows.append(["ratio to the idiom", *(significant(entry["ratio"]) for entry in ours)])
    return rows


def _number(record: Mapping[str, Any]) -> Iterator[str]:
    from bpjax.bench.table import in_millions, spread

    number = record["number"]
    if not number["refused"]:
        yield (
            f"{number['name']}: {in_millions(number)} million {number['unit']}, and "
            f"{spread(number['x_idiom'])} times the idiom, in geometric mean over the cases."
        )


def _refilling(record: Mapping[str, Any]) -> Iterator[nodes.Node]:
    useful = record["useful"]
    if useful is not None and not useful["refused"]:
        yield nodes.paragraph(
            "",
            f"Runs end at very different times, so lanes are refilled: {useful['seeds']:,} runs of "
            f"{useful['case']} to their outcomes, at most {useful['max_epochs']:,} epochs each, "
            f"keep {useful['refill']['occupancy']:.0%} of all lane-epochs busy and take "
            f"{useful['gain']:.1f} times less time than running every lane to the cap.",
        )


class ImportMap(SphinxDirective):
    """The map of a package."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the drawing, and what each module is, the highest first."""
        name = self.arguments[0]
        package = Path(importlib.import_module(name).__file__ or "").parent
        graph = import_graph(package, name)
        words = {part: first_sentence(package / part) for part in graph}
        for path in package.rglob("*.py"):
            self.env.note_dependency(path)
        drawing = svg(graph, words, f"What the modules of {name} import of each other")
        order = sorted(graph, key=lambda part: (-ranks(graph)[part], part))
        rows = [(nodes.literal("", part), words[part]) for part in order]
        return [
            nodes.raw("", f'<div class="wide">{drawing}</div>', format="html"),
            table(["module", "what it is, in its own words"], rows),
        ]


def table(head: Sequence[str], rows: Sequence[Sequence[str | nodes.Node]]) -> nodes.table:
    """Return a table of plain cells."""
    width = len(rows[0])
    group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in range(width)), cols=width)
    if head:
        group += nodes.thead("", _row(head))
    group += nodes.tbody("", *map(_row, rows))
    return nodes.table("", group, classes=["plain"])


def _row(cells: Sequence[str | nodes.Node]) -> nodes.row:
    entries = []
    for cell in cells:
        words = _words(cell) if isinstance(cell, str) else [cell]
        entries.append(nodes.entry("", nodes.paragraph("", "", *words)))
    return nodes.row("", *entries)


def _words(text: str) -> Iterator[nodes.Node]:
    """Yield plain words, and what stands between single backticks as code."""
    for k, part in enumerate(re.split("`", text)):
        yield nodes.literal("", part) if k % 2 else nodes.Text(part)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    app.add_directive("command-help", CommandHelp)
    app.add_directive("task-list", TaskList)
    app.add_directive("experiment-keys", ExperimentKeys)
    app.add_directive("new-experiment", NewExperiment)
    app.add_directive("speed-table", SpeedTable)
    app.add_directive("import-map", ImportMap)
    return {"parallel_read_safe": True}
