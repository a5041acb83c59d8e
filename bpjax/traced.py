"""What a function computes, as a fingerprint of its traced program.

A function's words say little of it: two may have the same name and text and compute something else,
by an exponent, a number in a closure, a method put in place of another. So JAX traces the function,
and what is hashed is the program that comes out: its operations in order, with their types, shapes,
parameters and constants. Names of functions, addresses and lines of source are left out, variables
are numbered in the order in which they come; so the same computation has the same fingerprint in
every process, wherever it is written.
"""

import enum
import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np

_NAMES_ALONE = {
    "bwd",
    "computation",
    "ctx_mesh",
    "debug_info",
    "fwd_jaxpr_thunk",
    "jvp_jaxpr_fun",
    "jvp_jaxpr_thunk",
    "name",
    "out_trees",
}
"""Parameters of operations that compute nothing: what a function is called, on which devices, what
stands beside it in traced form, and rules for its derivatives, which have done their work when a
function that takes derivatives has been traced."""

DIGITS = 16
"""Of a fingerprint, in hexadecimal: two programs share one with a chance of 1 in 2**64."""


class Untraceable(ValueError):
    """A function has no program that could be told again; the text is a rule that it breaks."""


def program_of(functions: Mapping[str, tuple[Callable[..., Any], tuple[Any, ...]]]) -> str:
    """Return the fingerprint of what several functions compute.

    Args:
      functions: by name, each with its arguments: arrays, or `jax.ShapeDtypeStruct` for them.

    Raises:
      Untraceable: if one calls back into Python, or computes something else whenever it is traced.

    Example:
      >>> number = jax.ShapeDtypeStruct((), "float32")
      >>> fingerprints = [
      ...     program_of({"f": (function, (number,))})
      ...     for function in (lambda x: 2 * x + 1, lambda y: 2 * y + 1, lambda x: 2 * x + 2)
      ... ]
      >>> [fingerprint == fingerprints[0] for fingerprint in fingerprints]
      [True, True, False]
    """
    once, again = _digest(functions), _digest(functions)
    if once != again:
        raise Untraceable("must compute the same whenever it is called")
    return once


def _digest(functions: Mapping[str, tuple[Callable[..., Any], tuple[Any, ...]]]) -> str:
    digest = hashlib.sha256()
    for name, (function, arguments) in functions.items():
        digest.update(f"{name}:".encode())
        for part in _program(_traced(function, arguments)):
            digest.update(part.encode())
            digest.update(b"\n")
    return digest.hexdigest()[:DIGITS]


def _traced(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    # A new function each time, lest JAX remember what an equal one did when it was traced.
    return jax.make_jaxpr(lambda *given: function(*given))(*arguments)


def _program(closed: Any) -> Iterator[str]:
    """Yield the lines of a traced program with its constants."""
    for constant in closed.consts:
        yield f"constant {_array(constant)}"
    yield from _lines(closed.jaxpr)


def _lines(jaxpr: Any) -> Iterator[str]:
    if jaxpr.effects:
        raise Untraceable("must not call back into Python")
    numbers: dict[Any, int] = {}

    def new(variable: Any) -> str:
        numbers[variable] = len(numbers)
        return f"v{numbers[variable]} {_type(variable.aval)}"

    def known(atom: Any) -> str:
        if hasattr(atom, "val"):  # a number written into the program
            return f"{_type(atom.aval)} {_array(np.asarray(atom.val, atom.aval.dtype))}"
        return f"v{numbers[atom]}"

    yield f"takes {[new(v) for v in [*jaxpr.constvars, *jaxpr.invars]]}"
    for equation in jaxpr.eqns:
        given = [known(atom) for atom in equation.invars]
        parameters = [
            f"{name}={_value(value)}"
            for name, value in sorted(equation.params.items())
            if name not in _NAMES_ALONE
        ]
        made = [new(variable) for variable in equation.outvars]
        yield f"{made} = {equation.primitive.name} {given} {parameters}"
    yield f"gives {[known(atom) for atom in jaxpr.outvars]}"


def _type(aval: Any) -> str:
    return f"{aval.dtype}{list(aval.shape)}"


def _array(array: Any) -> str:
    if jax.dtypes.issubdtype(array.dtype, jax.dtypes.prng_key):
        return f"{array.dtype} {_array(jax.random.key_data(array))}"
    array = np.asarray(array)
    contents = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
    return f"{array.dtype}{list(array.shape)} {contents}"


def _value(value: Any) -> str:
    """Return the parameter of an operation as a text that depends on nothing but what it says."""
    if isinstance(value, float):
        return repr(float(value))
    if value is None or isinstance(value, bool | int | complex | str | bytes):
        return repr(value)
    if hasattr(value, "jaxpr") and hasattr(value, "consts"):
        return f"({'; '.join(_program(value))})"
    if hasattr(value, "eqns"):
        return f"({'; '.join(_lines(value))})"
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, type):
        is_number = issubclass(value, np.generic | bool | int | float | complex)
        return str(np.dtype(value)) if is_number else f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        return _array(value)
    if type(value).__name__ == "PRNGImpl":
        return f"generator {value.name}"
    if isinstance(value, Mapping):
        return str(sorted((str(key), _value(entry)) for key, entry in value.items()))
    if isinstance(value, set | frozenset):
        return str(sorted(map(_value, value)))
    if isinstance(value, tuple | list):
        return f"{type(value).__name__}{[_value(entry) for entry in value]}"
    if callable(value) or " at 0x" in (text := repr(value)):
        raise Untraceable("must not call back into Python")
    return f"{type(value).__name__} {text}"
