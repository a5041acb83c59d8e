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
    """Print a script for the Tab key of a shell. One line loads it whenever a shell starts.

    ~/.bashrc: eval "$(bpjax completion bash)"

    ~/.zshrc, behind compinit: eval "$(bpjax completion zsh)"

    ~/.config/fish/config.fish: bpjax completion fish | source
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
