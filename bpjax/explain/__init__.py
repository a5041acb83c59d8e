"""One run as a page that lets a beginner watch the two passes: `explain`."""

import shlex
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bpjax.explain.lesson import functions_of, lesson_of
from bpjax.status import Status
from bpjax.training import Run
from bpjax.version import __version__

_SCRIPTS = (
    "passes.js",
    "moments.js",
    "learn.js",
    "address.js",
    "steps.js",
    "drawing.js",
    "square.js",
    "play.js",
    "controls.js",
)


def page(run: Run, command: Sequence[str]) -> str:
    """Return one self-contained HTML page of a run: slider, cases, both passes step by step.

    Args:
      run: from `bpjax.train`, with `snapshot_every=1`.
      command: the words of the command line that makes this page.

    Raises:
      SettingError: for a run without all its snapshots, or a loss or unit that the page cannot work
        out.

    Example:
      >>> import bpjax
      >>> run = bpjax.train(bpjax.tasks.xor(), 7, snapshot_every=1, precision="float64")
      >>> page(run, ["bpjax", "explain", "xor", "--seed", "7"]).startswith("<!DOCTYPE html>")
      True
    """
    files = Environment(
        loader=PackageLoader("bpjax.explain", "."), autoescape=True, undefined=StrictUndefined
    )

    def own(name: str) -> str:
        return files.loader.get_source(files, name)[0]  # type: ignore[union-attr]

    # With the ends of lines as a browser counts them, and those beside the tags.
    pieces = [functions_of(run.task), *map(own, _SCRIPTS)]
    script = "\n" + "\n".join(pieces).replace("\r\n", "\n") + "\n"
    words: dict[str, Any] = {
        "title": run.task.title,
        "seed": run.seed,
        "outcome": _outcome(run),
        "source": run.task.source,
        "command": shlex.join(command),
        "version": __version__,
        "lesson": lesson_of(run),
        "style": Markup(own("page.css")),
        "script": Markup(script),
        "script_hash": f"sha256-{b64encode(sha256(script.encode()).digest()).decode()}",
    }
    return files.get_template("page.html").render(words)


def _outcome(run: Run) -> str:
    right, num_cases = run.history.num_right[-1], run.task.num_cases - run.task.num_held_out
    words = {
        Status.CONVERGED: f"After {run.epochs:,} epochs it has learned its task",
        Status.MAX_EPOCHS: f"After {run.epochs:,} epochs, as many as it was given, it is not done",
        Status.NONFINITE: f"After {run.epochs:,} epochs its weights left the finite numbers",
    }[run.status]
    return f"{words} (criterion {run.task.criterion}): {right} of {num_cases} cases are right."
