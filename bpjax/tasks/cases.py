"""What several tasks share: lists of cases, and the rules for their options."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from bpjax.criteria import Criterion
from bpjax.errors import SettingError
from bpjax.network import Network, layered
from bpjax.numbers import as_float, whole_number


def all_binary_vectors(bits: int) -> np.ndarray:
    """Return all 0/1 vectors of length `bits` in counting order, shape (2**bits, bits).

    Example:
      >>> all_binary_vectors(2).tolist()
      [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    """
    return np.array(list(itertools.product((0.0, 1.0), repeat=bits)))


def net_of(num_in: int, hidden: int, num_out: int, hidden_layers: int = 1) -> Network:
    """Return the plain layered net; without hidden units the inputs feed the outputs directly.

    Example:
      >>> [net_of(4, hidden, 1, hidden_layers=2).describe() for hidden in (3, 0)]
      ['4-3-3-1', '4-1']
    """
    return layered(num_in, *[hidden] * (hidden_layers if hidden else 0), num_out)


def net_in_words(network: Network) -> str:
    """Return the sizes of a plain layered net for a title.

    Example:
      >>> net_in_words(net_of(2, 2, 1)), net_in_words(net_of(2, 0, 1))
      ('2-2-1', '2-1 without hidden units')
    """
    none = " without hidden units" if len(network.layers) == 2 else ""
    return network.describe() + none


def check_flag(option: str, value: Any) -> None:
    """Raise SettingError unless `value` is True or False."""
    if not isinstance(value, bool):
        raise SettingError(option, "must be true or false", value)


def check_choice(option: str, value: Any, choices: tuple[str, ...]) -> str:
    """Return `value` as a Python string.

    Raises:
      SettingError: unless it is one of `choices`.

    Example:
      >>> check_choice("positions", "all", ("all", "one"))
      'all'
    """
    if not isinstance(value, str) or value not in choices:
        raise SettingError(option, f"must be {' or '.join(choices)}", value)
    return str(value)


def check_count(option: str, value: Any, choices: tuple[int, ...]) -> int:
    """Return `value` as a Python int.

    Raises:
      SettingError: unless it is one of `choices`.

    Example:
      >>> check_count("hidden", 2, (0, 2, 3))
      2
    """
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value not in choices:
        *others, last = choices
        rule = f"must be {', '.join(map(str, others))} or {last}"
        raise SettingError(option, rule, value)
    return int(value)


def check_wiring(wiring: Any) -> str:
    """Return `wiring` unless it is neither "drawn" nor "full"."""
    return check_choice("wiring", wiring, ("drawn", "full"))


def check_inputs(inputs: Any) -> str:
    """Return `inputs` unless it is neither "binary" nor "bipolar"."""
    return check_choice("inputs", inputs, ("binary", "bipolar"))


def as_inputs(bits: np.ndarray, inputs: str) -> np.ndarray:
    """Return bits as they are shown: 0 and 1 where `inputs` is "binary", else -1 and 1.

    Example:
      >>> as_inputs(np.array([[0.0, 1.0]]), "bipolar").tolist()
      [[-1.0, 1.0]]
    """
    return 2 * bits - 1 if inputs == "bipolar" else bits


def check_off_on(off: Any, on: Any) -> tuple[float, float]:
    """Return both target values as Python floats.

    Raises:
      SettingError: unless -1 <= off < on <= 1: a logistic output reaches from 0, one of tanh
        from -1.
    """
    low, high = as_float(off), as_float(on)
    if low is None or high is None or not -1 <= low < high <= 1:
        raise SettingError("off, on", "must satisfy -1 <= off < on <= 1", (off, on))
    return low, high


def on_off_targets(bits: np.ndarray, off: float, on: float) -> np.ndarray:
    """Return targets `on` where `bits` is 1 and `off` where it is 0.

    Example:
      >>> on_off_targets(np.array([[0.0], [1.0]]), off=0.1, on=0.9).tolist()
      [[0.1], [0.9]]
    """
    return np.where(bits > 0.5, on, off)


def held_out_rows(held_out: int | str, names: Sequence[str], what: str) -> int | tuple[int, ...]:
    """Return `Task.held_out` from a number of cases, or from names of cases separated by spaces.

    Args:
      held_out: the option.
      names: of all cases, in their order.
      what: the names, in words.

    Raises:
      SettingError: for a number that is too large, or a name that no case has.

    Example:
      >>> held_out_rows("b a", ["a", "b", "c"], "letters"), held_out_rows(2, ["a", "b", "c"], "")
      ((1, 0), 2)
    """
    if not isinstance(held_out, str):
        return whole_number("held_out", held_out, 0, len(names) - 1)
    chosen = held_out.split()
    for name in chosen:
        if name not in names:
            raise SettingError("held_out", f"must be a number, or {what}", name)
    return tuple(names.index(name) for name in chosen)


def middle_criterion(off: float, on: float) -> Criterion:
    """Return the mildest criterion: every output on the right side of the middle of its targets.

    Example:
      >>> str(middle_criterion(0.0, 1.0)), str(middle_criterion(0.1, 0.9))
      ('tolerance 0.5', 'tolerance 0.4')
    """
    return Criterion("tolerance", (on - off) / 2)
