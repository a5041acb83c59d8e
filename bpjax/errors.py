"""The two faults a user can cause: a setting outside its rule, and a results folder in the way."""

from __future__ import annotations

from bpjax.text import printable, shortened

TYPE_CHECKING = False  # `typing` takes long to import
if TYPE_CHECKING:
    from collections.abc import Iterable

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


def nearest(word: object, known: Iterable[str]) -> str | None:
    """Return the name that somebody may have meant; None if none is near.

    Case, the kind of dash and options in brackets do not count; the first letters of its words name
    it too.

    Example:
      >>> nearest("XOR", ["encoder", "xor"]), nearest("lr", ["learning_rate", "unit"])
      ('xor', 'learning_rate')
      >>> nearest("--learnin-rate", ["--learning-rate"]), nearest("zebra", ["xor"])
      ('--learning-rate', None)
    """
    if not isinstance(word, str):
        return None
    import difflib

    plain = {_plain(name): name for name in known}
    said = _plain(word[:MOST_SHOWN].partition("(")[0])
    if said in plain:
        return plain[said]
    by_initials = [name for name in plain if "-" in name and _initials(name) == said]
    close = difflib.get_close_matches(said, plain, n=1, cutoff=0.65) or by_initials
    return plain[close[0]] if len(close) == 1 else None


def _plain(name: str) -> str:
    return name.strip().lower().replace("_", "-").strip("-")


def _initials(name: str) -> str:
    return "".join(part[:1] for part in name.split("-"))


class SettingError(ValueError):
    """A setting breaks its rule; the sentence names the setting, the rule and the value.

    The command line prints it with the option's spelling (`--learning-rate`) and exits with 2.

    Args:
      setting: the Python name of the setting, for example `learning_rate`.
      rule: what holds for good values, read after the name: "must be a positive number".
      value: the value that was given.
      known: names of which one may have been meant; the sentence then proposes it.

    Example:
      >>> str(SettingError("learning_rate", "must be a positive finite number", -0.1))
      '`learning_rate` must be a positive finite number, got -0.1.'
      >>> str(SettingError("unit", "must be one of relu, sine", "Relu", known=["relu", "sine"]))
      "`unit` must be one of relu, sine, got 'Relu'. Perhaps relu?"
    """

    def __init__(self, setting: str, rule: str, value: object, known: Iterable[str] = ()):
        self.setting, self.rule, self.value = setting, rule, value
        near = nearest(value, known)
        self.rest = f"{rule}, got {value_shown(value)}.{f' Perhaps {near}?' if near else ''}"
        super().__init__(f"`{shown(setting)}` {self.rest}")

    @classmethod
    def of_unknown(
        cls, setting: str, rule: str, value: object, known: Iterable[str]
    ) -> SettingError:
        """Return the fault of a setting that there is not; it proposes one that there is.

        Example:
          >>> str(SettingError.of_unknown("lr", "is no setting", 0.1, ["learning_rate"]))
          '`lr` is no setting, got 0.1. Perhaps `learning_rate`?'
        """
        fault, near = cls(setting, rule, value), nearest(setting, known)
        if near:
            fault.rest += f" Perhaps `{near}`?"
            fault.args = (f"`{shown(setting)}` {fault.rest}",)
        return fault


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
