"""An experiment file as it is read: every key known and of its kind, and what options change.

Nothing is made here: no table of cases, no net.
"""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import bpjax.named as named
from bpjax.errors import MOST_SHOWN, ExperimentError, ResultsError, SettingError, shown
from bpjax.experiment.kinds import Refused
from bpjax.experiment.schema import KEYS, REQUIRED, SECTIONS, Key, keys_of
from bpjax.loss import LOSSES
from bpjax.results.files import explained, read
from bpjax.results.schema import number
from bpjax.settings import SETTINGS

LARGEST_FILE = 2**22
"""Bytes of an experiment file; larger tables of cases go into a file of their own."""
OPTION_TABLES = ("cases", "network", "loss")
"""Where options may lead: recipe and criterion are set by their own names, whatever the task."""
RUN_COLUMNS = ("seed", "status", "epochs", "loss", "weights", "count", "held_out_right")
_OF_TASKS = {setting.name for setting in SETTINGS if setting.of == "task"}
RESERVED = ({setting.name for setting in SETTINGS} - _OF_TASKS) | set(RUN_COLUMNS)
"""Names that are settings of every task, or columns of every table of runs."""

Tables = dict[str, dict[str, Any]]
"""The tables of a file by name, with what holds where a key was left out."""


class Document(NamedTuple):
    """An experiment file, checked.

    Attributes:
      file: as the user named it.
      folder: where files beside it are.
      tables: what it says.
      options: by name, the keys that an option changes.
    """

    file: str
    folder: Path
    tables: Tables
    options: dict[str, tuple[str, ...]]


def read_document(file: str) -> Document:
    """Return what an experiment file says.

    Raises:
      ExperimentError: if it cannot be read, is no TOML, or breaks a rule; the sentence names the
        line or the key, and the rule.
    """
    given = _toml(file)
    _refuse_unknown(file, "", given, SECTIONS.keys() - {""} | keys_of("").keys())
    tables = {"": _table(file, "", given)}
    for name in SECTIONS:
        if name and "." not in name and name != "options":
            inner = given.get(name, {})
            if not isinstance(inner, Mapping):
                raise ExperimentError(file, f"`{name}`", "must be a table", inner)
            tables[name] = _table(file, name, inner)
    _check_loss(file, tables["loss"])
    for name in ("layers", "connections"):
        path = f"network.{name}"
        rows = tables["network"][name] or ()
        tables["network"][name] = [
            _table(file, path, row, f"`{path}`, number {k + 1}:") for k, row in enumerate(rows)
        ]
    if tables["network"]["layers"] and "hidden" in given["network"]:
        rule = "must be left out where `network.layers` says which layers there are"
        raise ExperimentError(file, "`network.hidden`", rule, given["network"]["hidden"])
    document = Document(file, Path(file).parent, tables, {})
    return document._replace(options=_options(document, given.get("options")))


def read_content(file: str) -> bytes:
    """Return what an experiment file holds; ExperimentError if it cannot be read."""
    try:
        with explained("read", Path(file)):
            return read(Path(file), LARGEST_FILE)
    except ResultsError as fault:
        cause = str(fault).rpartition("': ")[2].rstrip(".")
        raise ExperimentError(file, "", f"cannot be read: {cause}") from None


def _toml(file: str) -> dict[str, Any]:
    content = read_content(file)
    try:
        return tomllib.loads(content.decode())
    except RecursionError:
        raise ExperimentError(file, "", "must be TOML, with tables and lists less deep") from None
    except ValueError as fault:
        cause = shown(str(fault)).rstrip(".")
        raise ExperimentError(file, "", f"must be TOML ({cause})") from None


def _table(file: str, section: str, given: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """Return a table with every key of its section, checked; more keys stay where they may be."""
    keys = keys_of(section)
    prefix = f"{section}." if section and not where else ""
    if section not in ("", "loss"):
        _refuse_unknown(file, where or prefix, given, keys)
    kept = {name: value for name, value in given.items() if section == "loss"}
    for name, key in keys.items():
        place = f"{where} `{name}`" if where else f"`{prefix}{name}`"
        if name in given:
            kept[name] = accepted(file, place, key, given[name])
        elif key.default is REQUIRED:
            raise ExperimentError(file, place, "must be there")
        else:
            kept[name] = key.default
    return kept


def accepted(file: str, place: str, key: Key, value: Any) -> Any:
    """Return a value as it is kept.

    Raises:
      ExperimentError: if it is of another kind than the key takes.
    """
    try:
        return key.kind.accept(value)
    except Refused as fault:
        raise ExperimentError(file, place, str(fault), value) from None


def _refuse_unknown(file: str, prefix: str, given: Mapping[str, Any], known: Any) -> None:
    for name, value in given.items():
        if name not in known:
            rule = f"is not known here; {_nearest(name, known)}"
            inside = prefix.endswith(":")
            place = f"{prefix} `{shown(name)}`" if inside else f"`{prefix}{shown(name)}`"
            raise ExperimentError(file, place, rule, value)


def _nearest(name: str, known: Iterable[str]) -> str:
    """Say where a key belongs, or which one it may have meant to be."""
    home = [key.section for key in KEYS if key.name == name and "." not in key.section]
    if len(home) == 1:
        return f"it belongs into [{home[0]}]" if home[0] else "it belongs above all tables"
    near = difflib.get_close_matches(name[:MOST_SHOWN], sorted(known), 1, cutoff=0.0)
    return f"the nearest name is `{near[0]}`"


def _check_loss(file: str, table: Mapping[str, Any]) -> None:
    _refuse_unknown(file, "loss.", table, ["name", *named.defaults_of(LOSSES[table["name"]])])


# ---- options -------------------------------------------------------------------------------------


def _options(document: Document, given: Any) -> dict[str, tuple[str, ...]]:
    network = document.tables["network"]
    if given is None:
        return {} if network["layers"] else {"hidden": ("network.hidden",)}
    if not isinstance(given, Mapping):
        raise ExperimentError(document.file, "`options`", "must be a table", given)
    found = {}
    for name, paths in given.items():
        place = f"`options.{shown(name)}`"
        check_option_name(document.file, place, name)
        paths = paths if isinstance(paths, list) and paths else [paths]
        for path in paths:
            _check_path(document, place, path)
        found[name] = tuple(paths)
    return found


def check_option_name(file: str, place: str, name: str) -> None:
    """Raise ExperimentError for an option that no command line could set, or of a taken name."""
    if not name.isidentifier() or not name.isascii():
        rule = "must be a name of letters, digits and underscores"
        raise ExperimentError(file, place, rule, name)
    if name in RESERVED:
        rule = "must have another name: every task has a setting or a result of this one"
        raise ExperimentError(file, place, rule, name)


def _check_path(document: Document, place: str, path: Any) -> None:
    rule = "must name a key that it changes, like network.hidden"
    if not isinstance(path, str):
        raise ExperimentError(document.file, place, rule, path)
    try:
        entries, key = _place_of(document.tables, path)
    except LookupError:
        table, _, name = path.rpartition(".")
        near = difflib.get_close_matches(name[:MOST_SHOWN], sorted(keys_of(table)), 1, cutoff=0.0)
        hint = f"; the nearest is {table}.{near[0]}" if near and table in OPTION_TABLES else ""
        tables = f"{', '.join(OPTION_TABLES[:-1])} or {OPTION_TABLES[-1]}"
        raise ExperimentError(document.file, place, f"{rule}, in {tables}{hint}", path) from None
    if path == "network.hidden" and document.tables["network"]["layers"]:
        rule = "must not name it where `network.layers` says which layers there are"
        raise ExperimentError(document.file, place, rule, path)
    if path in SECTIONS or not is_told(entries.get(key.name)):
        raise ExperimentError(document.file, place, "must name a key with one value", path)


def _place_of(tables: Tables, path: str) -> tuple[dict[str, Any], Key]:
    """Return the table in which a path ends, and its key there; LookupError if it leads nowhere."""
    head, *inner = path.split(".")
    if head not in OPTION_TABLES:
        raise LookupError
    if head == "network" and len(inner) == 3 and inner[0] == "layers":
        layers = {layer["name"]: layer for layer in tables["network"]["layers"]}
        return layers[inner[1]], keys_of("network.layers")[inner[2]]
    (name,) = inner if len(inner) == 1 else [""]
    if head == "loss" and name in tables["loss"]:
        from bpjax.experiment.kinds import ANY

        return tables["loss"], keys_of("loss").get(name) or Key("loss", name, ANY, "")
    return tables[head], keys_of(head)[name]


def is_told(value: Any) -> bool:
    """Tell whether a value can be an option in the identity of a sweep.

    Example:
      >>> is_told(3), is_told((3, "a")), is_told([3]), is_told(float("nan"))
      (True, True, False, False)
    """
    if isinstance(value, tuple):
        return all(is_told(entry) and not isinstance(entry, tuple) for entry in value)
    return value is None or isinstance(value, bool | str) or number(value)


def defaults_of(document: Document) -> dict[str, Any]:
    """Return the options of a file with their defaults: what stands there."""
    found = {}
    for name, paths in document.options.items():
        entries, key = _place_of(document.tables, paths[0])
        found[name] = entries[key.name]
    return found


def with_options(document: Document, given: Mapping[str, Any]) -> Tables:
    """Return the tables of a file with some options set.

    Raises:
      SettingError: for a value that breaks the rule of its key, by the name of the option.
    """
    tables: Tables = {name: dict(table) for name, table in document.tables.items()}
    tables["network"]["layers"] = [dict(layer) for layer in tables["network"]["layers"]]
    for name, value in given.items():
        for path in document.options[name]:
            entries, key = _place_of(tables, path)
            try:
                entries[key.name] = key.kind.accept(value)
            except Refused as fault:
                raise SettingError(
                    name, f"{fault}, as `{path}` of {document.file}", value
                ) from None
    return tables
