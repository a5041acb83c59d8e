"""The two faults a user can cause: a setting outside its rule, and a results folder in the way."""

from bpjax.text import printable, shortened

MOST_SHOWN = 200
"""Characters of what a user gave that a sentence repeats."""


def shown(text: str) -> str:
    """Return what a user gave as a sentence may repeat it: what does not print, escaped."""
    return shortened(printable(text[: MOST_SHOWN + 1]), MOST_SHOWN)


def value_shown(value: object) -> str:
    """Return a value as Python writes it, as a sentence may repeat it."""
    try:
        return shown(repr(value))
    except ValueError:  # Python writes no whole number of over 4300 digits
        return "a number of thousands of digits"


class SettingError(ValueError):
    """A setting breaks its rule; the sentence names the setting, the rule and the value.

    The command line prints it with the option's spelling (`--learning-rate`) and exits with 2.

    Args:
      setting: the Python name of the setting, for example `learning_rate`.
      rule: what holds for good values, read after the name: "must be a positive number".
      value: the value that was given.

    Example:
      >>> str(SettingError("learning_rate", "must be a positive finite number", -0.1))
      '`learning_rate` must be a positive finite number, got -0.1.'
    """

    def __init__(self, setting: str, rule: str, value: object):
        self.setting, self.rule, self.value = setting, rule, value
        super().__init__(f"`{shown(setting)}` {rule}, got {value_shown(value)}.")


class ResultsError(RuntimeError):
    """A results folder cannot be used; the sentence names the folder or file and says why."""


NOT_SHOWN = object()


class ExperimentError(SettingError):
    """A file that describes an experiment is wrong; the sentence names file, place and rule.

    Args:
      file: the file, as the user named it.
      place: where in it, in words: "`cases.scale`" or "line 5"; "" for the whole file.
      rule: what holds for good files, read after the place.
      value: what was found; left out where the rule says it.

    Example:
      >>> str(ExperimentError("iris.toml", "`cases.scale`", "must be none or range", "max"))
      "iris.toml: `cases.scale` must be none or range, got 'max'."
      >>> str(ExperimentError("iris.csv", "line 5", "must have 5 cells, not 4"))
      'iris.csv: line 5 must have 5 cells, not 4.'
    """

    def __init__(self, file: str, place: str, rule: str, value: object = NOT_SHOWN):
        super().__init__(place or file, rule, value)
        where = shown(str(file)) + (f": {place}" if place else "")
        got = "" if value is NOT_SHOWN else f", got {value_shown(value)}"
        self.args = (f"{where} {rule}{got}.",)
