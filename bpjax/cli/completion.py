"""`bpjax completion`: the Tab key in a shell."""

import dataclasses
from collections.abc import Sequence
from typing import Annotated

import tyro

from bpjax.cli.options import parse
from bpjax.cli.output import say
from bpjax.errors import SettingError

SHELLS = ("bash", "zsh", "fish")


@dataclasses.dataclass(frozen=True)
class Options:
    """Print a script with which a shell completes the words of bpjax: load it when a shell starts.

    bash, in ~/.bashrc: eval "$(bpjax completion bash)". zsh, in ~/.zshrc behind compinit: eval
    "$(bpjax completion zsh)". fish, in ~/.config/fish/config.fish: bpjax completion fish | source.
    """

    shell: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="SHELL")]]
    """bash, zsh or fish."""


def main(words: Sequence[str]) -> int:
    """Print the script of a shell."""
    options = parse(Options, "completion", words)
    if options.shell not in SHELLS:
        rule = f"must be one of {', '.join(SHELLS)}"
        raise SettingError("SHELL", rule, options.shell, SHELLS)
    import argcomplete

    alone = ["-o", "nospace"]  # bash has no words of its own where we have none
    say(argcomplete.shellcode(["bpjax"], shell=options.shell, complete_arguments=alone).rstrip())
    return 0
