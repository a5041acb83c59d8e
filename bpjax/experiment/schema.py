"""Every key of an experiment file, one row each: its kind, its default and what it says.

What is refused follows from this table, and so do the file of `bpjax new` and the schema's page.
What a recipe, a criterion or a loss may have is asked of them.
"""

import dataclasses
import inspect
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from bpjax.criteria import Criterion
from bpjax.experiment.kinds import (
    ANY,
    CELL,
    FILE,
    FLAG,
    LETTER,
    NAME,
    NUMBER,
    TABLE,
    TEXT,
    Kind,
    choice,
    either,
    list_of,
    whole,
)
from bpjax.loss import LOSSES
from bpjax.recipe import Recipe
from bpjax.settings import SETTINGS, settings_by
from bpjax.starts.initial import Initializer
from bpjax.task import CRITERION_SETTINGS, Task
from bpjax.units import UNITS

MOST_UNITS = 65_536
"""Of a layer."""
MOST_NUMBERS = 2**22
"""Of inputs and targets together: all of them are written into the identity of a sweep."""

BIASES = ("unit", "layer", "none", "frozen")
SCALES = ("none", "range", "standard")

REQUIRED = "required"


class Key(NamedTuple):
    """One key of an experiment file.

    Attributes:
      section: the table it stands in; "" at the top, "network.layers" in each table of that list.
      name: the key.
      kind: what values it may have.
      help: what it says, in a sentence.
      default: the value that holds where it is left out; `REQUIRED` where it must be there.
      told: the default in words, where the value says nothing.
      example: how it stands in the file of `bpjax new`; "" to leave it out there.
      used: whether it counts there, or stands behind a mark of a comment.
    """

    section: str
    name: str
    kind: Kind
    help: str
    default: Any = None
    told: str = ""
    example: str = ""
    used: bool = False

    @property
    def path(self) -> str:
        """The key with its table: "cases.scale"."""
        return f"{self.section}.{self.name}" if self.section else self.name


def argument_words(thing: type) -> dict[str, str]:
    """Return what the docstring of a class says of each of its arguments, its first sentence.

    Example:
      >>> argument_words(Recipe)["decay_biases"]
      'Whether `weight_decay` shrinks biases too.'
    """
    found = re.search(r"Args:\n(.*?)(?:\n\n|\Z)", inspect.cleandoc(thing.__doc__ or ""), re.DOTALL)
    entries = re.split(r"^  (?=\w+: )", found[1] if found else "", flags=re.MULTILINE)
    words = {}
    for entry in filter(None, entries):
        name, _, text = entry.partition(": ")
        sentence = re.split(r"\.\s+(?=[A-Z])", " ".join(text.split()))[0].rstrip(".")
        words[name] = f"{sentence[:1].upper()}{sentence[1:]}."
    return words


_COLUMNS = either(TEXT, list_of(TEXT, "names of columns", 1))
_INLINE = list_of(either(CELL, list_of(CELL, "numbers or words", 1)), "rows", 1)
_SIZE = whole(1, MOST_UNITS)
_UNIT = choice(lambda: UNITS)
_BIAS = choice(lambda: BIASES)
_SCALE = choice(lambda: SCALES)
_BITS = list_of(either(whole(0, 1), FLAG), "0 and 1", 1)
_ROWS = list_of(whole(0, MOST_NUMBERS), "numbers of cases, from 0", 1)


def _literal(value: Any) -> str:
    """Return a value as TOML writes it.

    Example:
      >>> _literal(True), _literal("batch"), _literal(10_000)
      ('true', '"batch"', '10000')
    """
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else repr(value)


_SHOWN = {"learning_rate": "0.5", "init_range": "1.0", "max_epochs": "2000"}
"""What the recipe of `bpjax new` says: exclusive-or needs larger weights than the usual ones."""


def _recipe() -> Iterator[Key]:
    words = argument_words(Recipe) | argument_words(Initializer)
    usual = {f.name: f.default for kind in (Recipe, Initializer) for f in dataclasses.fields(kind)}
    usual["learning_rate"] = Task.recipe.learning_rate
    for setting in SETTINGS:
        if setting.of in ("recipe", "initializer") and setting.by != "python":
            name, told = setting.name, _literal(usual[setting.name])
            help = setting.help if setting.by == "flag" else words[name]
            shown, used = _SHOWN.get(name, told), name in _SHOWN
            yield Key("recipe", name, ANY, help, None, told, shown, used)
    help = "Weights to start at, instead of drawn ones: FILE, or FILE:SEED, as of --start."
    yield Key("recipe", "start", TEXT, help, None, "none", '"weights.npz"')


def _criterion() -> Iterator[Key]:
    words = {setting.name: setting.help for setting in settings_by("flag", "criterion")}
    usual = Criterion()
    for name, kind in CRITERION_SETTINGS.items():
        is_usual = kind == usual.kind
        told, example = (_literal(usual.threshold),) * 2 if is_usual else ("none", "0.01")
        yield Key("criterion", name, ANY, words[name], None, told, example, is_usual)


KEYS = (
    Key("", "name", NAME, "The name of the task: of its results, and in their identity.",
        None, "that of the file", '"{name}"', True),
    Key("", "title", TEXT, "One line for people.",
        "", "name and net", '"Exclusive-or, mine"', True),
    Key("", "source", TEXT, "Where the experiment comes from.",
        "", "none", '"made up here"', True),
    Key("", "open_choices", TEXT, "What the source leaves open, and what is taken here.",
        "", "none", '"all"'),
    Key("cases", "file", FILE, "A file beside this one that holds the cases; its ending says "
        "whether it is .csv, .tsv, .txt, .npz or .parquet. Without one, `inputs` and `targets` "
        "hold them.",
        None, "none", '"cases.csv"'),
    Key("cases", "inputs", either(_COLUMNS, _INLINE), "One row per case, or names of columns of "
        "the file, where `*` stands for any letters. A column of words gets one unit per word.",
        None, "all other columns", "[[0, 0], [0, 1], [1, 0], [1, 1]]", True),
    Key("cases", "targets", either(_COLUMNS, _INLINE), "Likewise what the outputs are to be.",
        None, "the last column", "[0, 1, 1, 0]", True),
    Key("cases", "words", _COLUMNS, "Columns whose numbers are words too, with one unit for each.",
        (), "none", '["class"]'),
    Key("cases", "scale", _SCALE, "Input columns of numbers: as they are (none), by their range "
        "to 0 to 1 (range), or to mean 0 and standard deviation 1 (standard). Cases that are held "
        "out by their rows are not counted.",
        "none", "", '"standard"'),
    Key("cases", "target_scale", _SCALE, "Likewise target columns of numbers; `range` goes from "
        "`off` to `on`.",
        "none", "", '"range"'),
    Key("cases", "off", NUMBER, "The target of a word's unit in cases of another word.",
        0.0, "", "0.0"),
    Key("cases", "on", NUMBER, "The target of a word's unit in its own cases.",
        1.0, "", "1.0"),
    Key("cases", "held_out", either(whole(0, MOST_NUMBERS), _ROWS, TABLE), "Cases that runs are "
        "not trained on: how many, drawn for each run from its seed; a list of rows, counted from "
        "0; or `{ column = NAME, is = VALUE }`.",
        0, "", "1"),
    Key("cases", "header", FLAG, "Whether the first line of a text file names its columns; "
        "without, they are called 1, 2, 3 and so on.",
        True, "true", "true"),
    Key("cases", "skip", whole(0, MOST_NUMBERS), "Lines of a text file to leave out before that.",
        0, "", "0"),
    Key("cases", "separator", LETTER, "What stands between the cells of a text file.",
        None, "a comma; a tab in .tsv", '";"'),
    Key("network", "hidden", either(_SIZE, list_of(_SIZE, "whole numbers")), "Number of hidden "
        "units, or a list with that of each hidden layer.",
        8, "", "2", True),
    Key("network", "unit", _UNIT, "The input-output function of hidden units.",
        "logistic", "", '"logistic"', True),
    Key("network", "output_unit", _UNIT, "That of output units.",
        "logistic", "", '"logistic"', True),
    Key("network", "bias", _BIAS, "A bias for every unit (unit); one for a whole layer (layer), "
        "the weight from an extra input fixed at 1, which is drawn and decays like any weight; "
        "none; or one for every unit, which stays where it starts (frozen).",
        "unit", "", '"unit"'),
    Key("network", "layers", list_of(TABLE, "tables", 1), "The layers after the input, instead of "
        "`hidden`: a table for each. The layer `output` is added at the end unless it is there.",
        None, "none"),
    Key("network", "connections", list_of(TABLE, "tables", 1), "All connections: a table for "
        "each. They may skip layers.",
        None, "from each layer to the next"),
    Key("network.layers", "name", NAME, "The name of the layer.",
        REQUIRED),
    Key("network.layers", "size", _SIZE, "Number of its units.",
        None, "that of the targets for `output`, else required"),
    Key("network.layers", "unit", _UNIT, "Their input-output function.",
        None, "that of the net"),
    Key("network.layers", "bias", _BIAS, "Their bias.",
        None, "that of the net"),
    Key("network.connections", "from", TEXT, "The layer it comes from; `input` is the first.",
        REQUIRED),
    Key("network.connections", "to", TEXT, "The layer it goes to.",
        REQUIRED),
    Key("network.connections", "mask", list_of(_BITS, "rows of one length", 1), "Which weights "
        "exist: for every unit it comes from a row with 0 or 1 for every unit it goes to.",
        None, "all"),
    Key("network.connections", "frozen", FLAG, "Whether its weights stay where they start.",
        False, "false"),
    Key("loss", "name", choice(lambda: LOSSES), "Which measure.",
        "half-squared", "", '"half-squared"', True),
    *_recipe(),
    *_criterion(),
)  # fmt: skip
"""In the order in which they stand in a file. `[loss]` also has the arguments of the loss that it
names; `[options]` has names of the user's own."""

SECTIONS = {
    "": "What it is called.",
    "cases": "What is learned.",
    "network": "The net that learns it.",
    "network.layers": "Each of the layers after the input.",
    "network.connections": "Each of the connections.",
    "loss": "What descent makes small; the arguments of the loss may stand here too.",
    "recipe": "How a run is trained.",
    "criterion": "When a run counts as solved: one of these.",
    "options": "What --set NAME=VALUE may change, on the command line: NAME = the key, or a list "
    "of keys. Without this table --hidden changes `network.hidden`.",
}
"""Every table of a file, with what it is about."""


def keys_of(section: str) -> dict[str, Key]:
    """Return the keys of a table by name.

    Example:
      >>> list(keys_of("criterion"))
      ['tolerance', 'loss_below']
    """
    return {key.name: key for key in KEYS if key.section == section}
