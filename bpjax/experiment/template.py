"""The file that `bpjax new` writes: an experiment that runs as it is, with every key explained."""

import textwrap

from bpjax.experiment.schema import REQUIRED, SECTIONS, Key, keys_of

WIDTH = 98
HEAD = """\
# An experiment of bpjax. Lines behind # are remarks: take the mark away from a key to use it.
#
#   bpjax check {name}.toml                  hold its gradient against three others
#   bpjax train {name}.toml                  train one run and watch it
#   bpjax sweep {name}.toml --seeds 1000     train a thousand
"""
MORE = {
    "network": """\
# [[network.layers]]
# name = "hidden"
# size = 2

# [[network.connections]]
# from = "input"
# to = "output"
""",
    "options": """\
# [options]
# hidden = "network.hidden"
# unit = "network.unit"
""",
}
"""What is shown of tables that would change the experiment if they were there."""


def template(name: str) -> str:
    """Return the text of an experiment file; `name` is that of the task."""
    parts = [HEAD.format(name=name)]
    for section, about in SECTIONS.items():
        if "." in section:
            continue
        lines = [*_remark(about)] if section else []
        lines += [f"[{section}]"] if section and section not in MORE.keys() - {"network"} else []
        for key in keys_of(section).values():
            if key.example:
                lines += [*_remark(f"{key.help} {default_words(key)}"), _line(key, name)]
        parts.append("\n".join(lines) + "\n")
        if section in MORE:
            parts.append(MORE[section])
    return "\n".join(parts)


def _line(key: Key, name: str) -> str:
    line = f"{key.name} = {key.example.format(name=name)}"
    return line if key.used else f"# {line}"


def default_words(key: Key) -> str:
    """Return in words what holds where a key is left out: "(default: none)"."""
    if key.default is REQUIRED:
        return "(required)"
    return f"(default: {key.told or key.default})"


def _remark(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# ")
