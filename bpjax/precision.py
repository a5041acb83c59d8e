"""Matrix products of float32 numbers in float32, on every device.

On a GPU or TPU JAX's own choice may be a shorter format, TF32 or bfloat16, whose rounding is that
of three decimal digits. It is there for those who ask, by JAX's own option
`jax_default_matmul_precision` (in the environment `JAX_DEFAULT_MATMUL_PRECISION`), and is then part
of what a result says of itself.
"""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import jax

FULL = "highest"
"""JAX's name for the precision of the numbers themselves."""

_Args = ParamSpec("_Args")
_Result = TypeVar("_Result")


def precision_asked() -> str | None:
    """Return the precision of matrix products that the user asked JAX for.

    None for no wish, and for the wish to have what we take anyway.

    Example:
      >>> precision_asked()
      >>> with jax.default_matmul_precision("tensorfloat32"):
      ...     precision_asked()
      'tensorfloat32'
    """
    asked = jax.config.jax_default_matmul_precision  # type: ignore[attr-defined]
    return None if asked in (FULL, "float32") else asked


def full_precision(function: Callable[_Args, _Result]) -> Callable[_Args, _Result]:
    """Return `function` with matrix products in the precision of their numbers, unless asked.

    Example:
      >>> import jax.numpy as jnp
      >>> square = full_precision(lambda matrix: matrix @ matrix)
      >>> "Precision.HIGHEST" in str(jax.make_jaxpr(square)(jnp.ones((2, 2))))
      True
    """

    @functools.wraps(function)
    def computed(*args: _Args.args, **kwargs: _Args.kwargs) -> _Result:
        with jax.default_matmul_precision(precision_asked() or FULL):
            return function(*args, **kwargs)

    return computed
