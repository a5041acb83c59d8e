"""The TOML file of `--config`: it holds any option, and the command line wins."""

import dataclasses
import tomllib
from collections.abc import Mapping
from typing import Any

from bpjax.cli.options import Options, Settings, Words, options_of
from bpjax.errors import SettingError, shown, value_shown


def with_config(options: Options) -> Options:
    """Fill in from the TOML file of `--config` what the command line left out.

    Raises:
      SettingError: if the file cannot be read, has an unknown key or one twice, or a value of
        another kind than the option takes; if there is no task, or one here and another there.
    """
    path = getattr(options, "config", None)
    table = {} if path is None else _by_option(_read_toml(path))
    kinds = options_of(type(options))
    own: dict[str, Any] = {}
    inner: dict[str, Any] = {}
    for option, value in table.items():
        if option not in kinds or option == "config":
            choices = ", ".join(sorted(kinds.keys() - {"config"}))
            raise SettingError("config", f"must hold only {choices}", option, kinds)
        if option == "set":
            inner["set"] = _set_words(value)
        elif option in _SETTINGS:
            inner[option] = _of_kind(option, kinds[option], value)
        else:
            own[option] = _of_kind(option, kinds[option], value)
    settings = _settings_of(inner, options.settings)  # type: ignore[attr-defined]
    task = options.task  # type: ignore[attr-defined]
    if task is not None and own.get("task", task) != task:
        rule = f"must be the same as in the file of --config, which has {value_shown(own['task'])}"
        raise SettingError("TASK", rule, task)
    given = {option: getattr(options, option) for option in own}
    own = {option: given[option] or own[option] for option in own}
    return dataclasses.replace(options, settings=settings, **own)  # type: ignore[type-var]


_SETTINGS = {field.name for field in dataclasses.fields(Settings)}


LARGEST_FILE = 2**20
"""Bytes of a TOML file."""


def _read_toml(path: str) -> Mapping[str, Any]:
    rule = "must name a TOML file"
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST_FILE + 1)
        if len(content) > LARGEST_FILE:
            raise SettingError("config", f"{rule} of at most {LARGEST_FILE:,} bytes", path)
        return tomllib.loads(content.decode())
    except SettingError:
        raise
    except RecursionError:
        raise SettingError("config", f"{rule} (tables or lists too deep)", path) from None
    except (OSError, ValueError) as fault:
        cause = getattr(fault, "strerror", None) or shown(str(fault))
        raise SettingError("config", f"{rule} ({cause})", path) from None


def _by_option(table: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in table.items():
        option = key.replace("-", "_")
        if option in found:
            raise SettingError("config", f"must not hold {shown(option)} in two spellings", key)
        found[option] = value
    return found


def _of_kind(option: str, kind: Any, value: Any) -> Any:
    """Return a value of the file as the command line would give it."""
    if kind is bool:
        if not isinstance(value, bool):
            raise SettingError(option, "must be true or false", value)
        return value
    if kind == Words:
        return (
            tuple(_word(option, entry) for entry in value)
            if _is_list(value)
            else (_word(option, value),)
        )
    if option == "seeds" and _is_list(value):
        entries = (_word(option, entry) for entry in value)
        return ",".join(f"{entry}-{entry}" if entry.isdecimal() else entry for entry in entries)
    if option in ("out", "task") and not (isinstance(value, str) and value):
        name = "TASK" if option == "task" else option
        raise SettingError(name, "must be text, in quotes, and not empty", value)
    return _word(option, value)


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _word(option: str, value: Any) -> str:
    """Return a number or a word of the file as text; true and false are no such."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise SettingError(option, "must be a number or a word", value)
    return _text(option, value)


def _text(option: str, value: Any) -> str:
    try:
        return str(value)
    except ValueError:  # hexadecimal, and of more digits than Python writes
        raise SettingError(option, "must be a number of fewer digits", value) from None


def _set_words(value: Any) -> tuple[str, ...]:
    if not isinstance(value, Mapping):
        raise SettingError("set", "must be a table in the file of --config", value)
    words = []
    for name, entry in value.items():
        values = entry if _is_list(entry) else [entry]
        if not name or "=" in name:
            raise SettingError("set", "must have names without =", name)
        for each in values:
            if not isinstance(each, bool | int | float | str):
                rule = "must be a number, a word, true or false, or a list of them"
                raise SettingError(name, rule, each)
        texts = (str(v).lower() if isinstance(v, bool) else _text(name, v) for v in values)
        words.append(f"{name}={','.join(texts)}")
    return tuple(words)


def _settings_of(file: Mapping[str, Any], line: Any) -> Any:
    """Return the settings of a file and a command line together; the line wins."""
    given = {name for name in _SETTINGS if getattr(line, name) not in (None, ())}
    named = {word.partition("=")[0] for word in line.set} | given
    words = file.get("set", ())
    if "hidden" in file and any(word.startswith("hidden=") for word in words):
        raise SettingError("config", "must not hold hidden as an option and under set", "hidden")
    kept = tuple(word for word in words if word.partition("=")[0] not in named)
    others = {name: value for name, value in file.items() if name not in named}
    return dataclasses.replace(line, **others | {"set": (*kept, *line.set)})
