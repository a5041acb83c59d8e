"""Functions of single numbers, told in the language of the page.

The page works out every unit by itself, and a unit is a function that somebody wrote for JAX. So
JAX traces it, and what comes out, one operation on numbers after the other, is written down as a
script. That holds for the units by name and for a user's own alike.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

_OPERATIONS = {
    "abs": "Math.abs({0})",
    "acos": "Math.acos({0})",
    "acosh": "Math.acosh({0})",
    "add": "({0} + {1})",
    "add_any": "({0} + {1})",
    "and": "({0} && {1})",
    "asin": "Math.asin({0})",
    "asinh": "Math.asinh({0})",
    "atan": "Math.atan({0})",
    "atan2": "Math.atan2({0}, {1})",
    "atanh": "Math.atanh({0})",
    "broadcast_in_dim": "{0}",
    "cbrt": "Math.cbrt({0})",
    "ceil": "Math.ceil({0})",
    "clamp": "Math.min(Math.max({1}, {0}), {2})",
    "copy": "{0}",
    "copy_p": "{0}",
    "cos": "Math.cos({0})",
    "cosh": "Math.cosh({0})",
    "div": "({0} / {1})",
    "eq": "({0} === {1})",
    "exp": "Math.exp({0})",
    "exp2": "Math.pow(2, {0})",
    "expm1": "Math.expm1({0})",
    "floor": "Math.floor({0})",
    "ge": "({0} >= {1})",
    "gt": "({0} > {1})",
    "is_finite": "Number.isFinite({0})",
    "le": "({0} <= {1})",
    "log": "Math.log({0})",
    "log1p": "Math.log1p({0})",
    "logistic": "(1 / (1 + Math.exp(-{0})))",
    "lt": "({0} < {1})",
    "max": "Math.max({0}, {1})",
    "min": "Math.min({0}, {1})",
    "mul": "({0} * {1})",
    "ne": "({0} !== {1})",
    "neg": "(-{0})",
    "not": "(!{0})",
    "or": "({0} || {1})",
    "pow": "Math.pow({0}, {1})",
    "reduce_precision": "{0}",
    "reshape": "{0}",
    "rsqrt": "(1 / Math.sqrt({0}))",
    "sign": "Math.sign({0})",
    "sin": "Math.sin({0})",
    "sinh": "Math.sinh({0})",
    "sqrt": "Math.sqrt({0})",
    "square": "({0} * {0})",
    "squeeze": "{0}",
    "stop_gradient": "{0}",
    "sub": "({0} - {1})",
    "tan": "Math.tan({0})",
    "tanh": "Math.tanh({0})",
}
"""JAX's operations on one number, with the script of each."""


class Untold(ValueError):
    """A function has no script; the text is what the page lacks for it."""


def script_of(function: Callable[..., Any], num_arguments: int = 1) -> str:
    """Return a function of numbers as a script: `(a, b) => { ...; return ...; }`.

    Args:
      function: of arrays of one entry each, entry by entry.
      num_arguments: how many of them.

    Raises:
      Untold: if it takes an operation that is not told here, or looks at more than one number.

    Example:
      >>> script_of(lambda x: 1 / (1 + x * x))
      '(x0) => { const v0 = (x0 * x0); const v1 = (1.0 + v0); const v2 = (1.0 / v1); return v2; }'
    """
    number = jax.ShapeDtypeStruct((1, 1), "float64")
    with jax.enable_x64(True):
        closed = jax.make_jaxpr(lambda *given: function(*given))(*[number] * num_arguments)
    arguments = [f"x{k}" for k in range(num_arguments)]
    lines: list[str] = []
    (result,) = _told(closed, arguments, lines)
    return f"({', '.join(arguments)}) => {{ {' '.join([*lines, f'return {result};'])} }}"


def _told(closed: Any, arguments: list[str], lines: list[str]) -> list[str]:
    """Write the operations of a traced program to `lines`; return what its results are called."""
    jaxpr = closed.jaxpr
    words = dict(zip(jaxpr.invars, arguments, strict=True))
    words |= {v: _number(c) for v, c in zip(jaxpr.constvars, closed.consts, strict=True)}

    def word(atom: Any) -> str:
        return _number(atom.val) if hasattr(atom, "val") else words[atom]

    for equation in jaxpr.eqns:
        given = [word(atom) for atom in equation.invars]
        inner = next(_programs(equation.params), None)
        if inner is not None:
            results = _told(inner, given, lines)
        else:
            results = [f"v{len(lines)}"]
            lines.append(f"const {results[0]} = {_operation(equation, given)};")
        words |= zip(equation.outvars, results, strict=True)
    return [word(atom) for atom in jaxpr.outvars]


def _programs(parameters: dict[str, Any]) -> Iterator[Any]:
    """Yield the traced programs that an operation consists of, rules for derivatives apart."""
    for name in ("jaxpr", "call_jaxpr"):
        if hasattr(parameters.get(name), "consts"):
            yield parameters[name]


def _operation(equation: Any, given: list[str]) -> str:
    name, parameters = equation.primitive.name, equation.params
    if any(np.size(atom.aval) != 1 for atom in (*equation.invars, *equation.outvars)):
        raise Untold(f"{name} of more than one number")
    is_truth = equation.invars[0].aval.dtype == bool
    if name == "integer_pow":
        return f"Math.pow({given[0]}, {parameters['y']})"
    if name == "select_n" and is_truth:
        return f"({given[0]} ? {given[2]} : {given[1]})"
    if name == "convert_element_type":
        return f"Number({given[0]})" if is_truth else given[0]
    if name in ("and", "or", "not") and not is_truth:
        raise Untold(f"{name} of the bits of numbers")
    if name.startswith("reduce_") and name != "reduce_precision":
        return given[0]  # of the one number that there is
    if name not in _OPERATIONS:
        raise Untold(f"the operation {name}")
    return _OPERATIONS[name].format(*given)


def _number(value: Any) -> str:
    if np.size(value) != 1:
        raise Untold("a table of numbers")
    number = np.asarray(value).item()
    if isinstance(number, bool):
        return str(number).lower()
    if math.isnan(number) or math.isinf(number):
        return f"({str(float(number)).replace('nan', 'NaN').replace('inf', 'Infinity')})"
    return repr(number) if number >= 0 and not math.copysign(1, number) < 0 else f"({number!r})"
