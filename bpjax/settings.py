"""The settings of a run, one row each: how people say them, in which kind of word, what is usual.

What a setting means and which values it may have is told where it is kept, in `bpjax.recipe`,
`bpjax.criteria` or `bpjax.starts`. From this table follow the options of the command line, the
way back from a stored identity to a command, and what a summary need not tell.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from bpjax.layouts import AUTO, IMPLEMENTATIONS, LAYOUTS


class Setting(NamedTuple):
    """One setting.

    Attributes:
      name: in Python and in TOML; the flag has dashes.
      kind: what its words are.
      help: one sentence; of a setting that is said by `--set`, a value other than the usual one.
      by: "flag"; "set" for `--set NAME=VALUE`; or "python" where the command line has no word.
      of: what has it; "task": it is one of its options; "net": every task's net and loss.
      several: whether a list of values makes a grid.
      choices: the names that its words may be; completion proposes them.
      default: what holds where nothing is said, in words.
      usual: the value that a summary does not tell; None tells all.
    """

    name: str
    kind: Literal["number", "whole number", "name", "file"]
    help: str
    by: Literal["flag", "set", "python"] = "flag"
    of: Literal["recipe", "initializer", "start", "criterion", "task", "net", "sweep"] = "recipe"
    several: bool = True
    choices: tuple[str, ...] = ()
    default: str = "the task's"
    usual: Any = None


RULES = {
    "paper": "equations 8 and 9",
    "sgd": "optax's momentum",
    "nesterov": "momentum that looks ahead",
    "adam": "b1=0.9, b2=0.999, eps=1e-8 outside the root",
    "adamw": "the same, and weight_decay=1e-4 times --learning-rate",
    "adagrad": "initial_accumulator_value=0.1, eps=1e-7 inside the root",
    "rmsprop": "decay=0.9, eps=1e-8 inside the root",
    "rprop": "factors 1.2 and 0.5, steps from 1e-6 to 50, the first of them --learning-rate",
    "quickprop": "mu=1.75, decay=0, --learning-rate for its step by the slope",
    "delta-bar-delta": "kappa=0.035, phi=0.333, theta=0.7, --learning-rate the first of its rates",
}
"""Learning rules by name, in a few words; what they compute is in `bpjax.learning`."""


UNIT_NAMES = (
    "logistic",
    "tanh",
    "linear",
    "relu",
    "leaky-relu",
    "softplus",
    "scaled-tanh",
    "sine",
    "logistic-flat-spot",
    "softmax",
)
LOSS_NAMES = ("half-squared", "margin", "cross-entropy")
TASK_NAMES = (
    "symmetry",
    "xor",
    "parity",
    "encoder",
    "graded-code",
    "addition",
    "negation",
    "t-c",
    "shift-register",
    "sequence",
    "timing",
    "family-trees",
)
"""Names that a shell completes at once, without JAX: of `bpjax.units.UNITS`, `bpjax.loss.LOSSES`
and `bpjax.tasks.TASKS`."""


def _listed(words: Mapping[str, str]) -> str:
    return ", ".join(f"{name} ({each})" for name, each in words.items())


SETTINGS = (
    Setting("hidden", "whole number", "Number of hidden units.", of="task"),
    Setting(
        "unit",
        "name",
        "Input-output function of all units: logistic, tanh, relu, ...; a wrong name lists all.",
        of="net",
        choices=UNIT_NAMES,
    ),
    Setting(
        "hidden_unit", "name", "Likewise, of hidden units alone.", of="net", choices=UNIT_NAMES
    ),
    Setting(
        "output_unit", "name", "Likewise, of output units alone.", of="net", choices=UNIT_NAMES
    ),
    Setting(
        "loss",
        "name",
        "What descent makes small: half-squared, margin, in quotes with options: margin(on=0.9), "
        "or cross-entropy, for logistic or softmax outputs.",
        of="net",
        several=False,
        choices=LOSS_NAMES,
        usual="HalfSquaredError()",
    ),
    Setting("learning_rate", "number", "Epsilon of equations (8) and (9), above 0."),
    Setting("momentum", "number", "Alpha of equation (9), from 0 to below 1."),
    Setting(
        "init_range",
        "number",
        "Initial weights lie between minus and plus this number, or have it for their spread; not "
        "with all distributions.",
    ),
    Setting(
        "weight_decay",
        "number",
        "Share of every weight lost after each change, from 0 to below 1.",
        usual=0.0,
    ),
    Setting(
        "tolerance",
        "number",
        "Solved when every output of every case is nearer to its target than this.",
        of="criterion",
    ),
    Setting(
        "loss_below",
        "number",
        "Solved when the loss is below this, instead of --tolerance.",
        of="criterion",
        default="off",
    ),
    Setting(
        "max_epochs",
        "whole number",
        "A run that is not solved by then ends as MAX_EPOCHS.",
        several=False,
    ),
    Setting(
        "optimizer",
        "name",
        f"{_listed(RULES)}; in quotes with options: 'adamw(weight_decay=0.01)'. Likewise any other "
        "of optax: 'optax.lion(b1=0.8)'.",
        choices=tuple(RULES),
        usual="paper",
    ),
    Setting("updates", "name", "case", by="set", choices=("batch", "case"), usual="batch"),
    Setting(
        "order",
        "name",
        "shuffled",
        by="set",
        choices=("fixed", "shuffled", "random"),
        usual="fixed",
    ),
    Setting("copies", "name", "sum", by="set", choices=("average", "sum"), usual="average"),
    Setting("decay_biases", "name", "false", by="set", choices=("true", "false"), usual=True),
    Setting(
        "initializer",
        "name",
        "Where a run starts.",
        by="python",
        usual="Initializer(distribution='uniform', biases='drawn')",
    ),
    Setting(
        "start",
        "file",
        "Where runs start, instead of at random: what a run or a sweep with weights has saved, or "
        "a .npy; with a row for every seed, or of the one SEED.",
        of="start",
        default="drawn",
    ),
    Setting(
        "distribution",
        "name",
        "glorot",
        by="set",
        of="initializer",
        several=False,
        choices=("uniform", "normal", "range", "zero", "glorot", "he", "lecun", "nguyen-widrow"),
    ),
    Setting(
        "biases",
        "name",
        "zero",
        by="set",
        of="initializer",
        several=False,
        choices=("drawn", "zero"),
    ),
    Setting(
        "precision",
        "name",
        "float32 or float64.",
        of="sweep",
        several=False,
        choices=("float32", "float64"),
        default="float32",
    ),
    Setting(
        "implementation",
        "name",
        f"{AUTO}, or {_listed(LAYOUTS)}.",
        of="sweep",
        several=False,
        choices=IMPLEMENTATIONS,
        default=AUTO,
    ),
)
"""In the order in which the help lists them."""


def settings_by(by: str, *of: str) -> tuple[Setting, ...]:
    """Return the settings that are said by "flag" or by "set", of all or of some things.

    Example:
      >>> [setting.name for setting in settings_by("set", "initializer")]
      ['distribution', 'biases']
    """
    return tuple(s for s in SETTINGS if s.by == by and (not of or s.of in of))


CRITERIA = tuple(setting.name for setting in SETTINGS if setting.of == "criterion")
"""What makes another criterion; a criterion in words is the name of one and its threshold."""
