"""`bpjax new`: an experiment file to start from."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from bpjax.cli.options import parse
from bpjax.cli.output import say
from bpjax.errors import SettingError


@dataclasses.dataclass(frozen=True)
class Options:
    """Write NAME.toml, an experiment of your own to start from; it runs as it is.

    Every command that takes a TASK takes such a file.
    """

    experiment: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="NAME")]]
    """The name of the experiment."""


def main(words: Sequence[str]) -> int:
    """Write the file, unless there is one."""
    options = parse(Options, "new", words)
    from bpjax.experiment.kinds import NAME, Refused
    from bpjax.experiment.template import template
    from bpjax.results.files import explained, probe_file, publish

    name = options.experiment.removesuffix(".toml")
    try:
        NAME.accept(name)
    except Refused as fault:
        raise SettingError("NAME", str(fault), options.experiment) from None
    path = Path(f"{name}.toml")
    with explained("write", path):
        there = path.exists() or path.is_symlink()
    if there:
        raise SettingError(
            "NAME", f"must be new: {str(path)!r} is there already", options.experiment
        )
    probe_file(path)
    publish(path, template(name).encode())
    say(f"experiment: {path}")
    say(f"check it with: bpjax check {path}")
    say(f"train it with: bpjax sweep {path} --seeds 1000")
    return 0
