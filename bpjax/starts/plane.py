"""Initial weights on a plane: two of them are the coordinates of a picture, all others stay put.

A picture of how long training takes from every point of such a plane shows how much depends on
where a run starts: Kolen & Pollack, "Back propagation is sensitive to initial conditions", Complex
Systems 4 (1990) 269-280.
"""

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from bpjax.errors import SettingError
from bpjax.network import Network
from bpjax.numbers import as_float, whole_number
from bpjax.params import Params, flatten_params, parameter_names, unflatten_params
from bpjax.starts.initial import Initializer

Range = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Plane:
    """Start every run at a pixel of a plane through weight space, instead of at random.

    The run named by `seed` has the pixel in column `seed % width` and row `seed // width`, row 0 at
    the bottom: there two weights have the values at the pixel's centre. All others have those of
    the run `base_seed` of `rest`. So a sweep with `seeds=width * height` fills the picture.

    Cases that a task holds out by number are still drawn from each run's own seed; those held out
    by their rows are the same in every pixel.

    Args:
      x: the weight along the picture's width, a name in `bpjax.params.parameter_names`.
      y: the weight along its height, another one.
      x_range: the picture's left and right edge.
      y_range: its lower and upper edge.
      width: pixels in a row, at least 1.
      height: rows, at least 1.
      base_seed: which run has the other weights; the recipe's `init_range` is theirs alone.
      rest: how that run draws them.

    Raises:
      SettingError: for equal names, a range that is not two increasing numbers of float32, or sizes
        that are no whole numbers from 1, or make more pixels than there are seeds.

    Example:
      >>> from bpjax.network import layered
      >>> plane = Plane("input[0] -> output[0]", "bias output[0]", width=4, height=2)
      >>> plane.columns().tolist(), plane.rows().tolist(), plane.num_seeds
      ([-7.5, -2.5, 2.5, 7.5], [-5.0, 5.0], 8)
      >>> params = plane.params_of(layered(2, 1), seed=5, init_range=0.3)
      >>> params.weight["input", "output"][0].tolist(), params.bias["output"].tolist()
      ([-2.5], [5.0])
    """

    x: str
    y: str
    x_range: Range = (-10.0, 10.0)
    y_range: Range = (-10.0, 10.0)
    width: int = 256
    height: int = 256
    base_seed: int = 0
    rest: Initializer = Initializer()  # noqa: RUF009  (frozen)

    def __post_init__(self) -> None:
        if self.x == self.y:
            raise SettingError("y", "must name another weight than `x`", self.y)
        for field in ("x_range", "y_range"):
            object.__setattr__(self, field, _range(field, getattr(self, field)))
        for field in ("width", "height"):
            size = whole_number(field, getattr(self, field), 1)
            object.__setattr__(self, field, size)
        if self.num_seeds > self.rest.num_seeds:
            raise SettingError("height", "must keep width x height within 2**32", self.height)
        base_seed = whole_number("base_seed", self.base_seed, 0, self.rest.num_seeds - 1)
        object.__setattr__(self, "base_seed", base_seed)

    @property
    def num_seeds(self) -> int:
        """Number of runs there are: one per pixel."""
        return self.width * self.height

    def columns(self) -> np.ndarray:
        """Return the value of weight `x` in every column, float32, from left to right."""
        return _centres(self.x_range, self.width)

    def rows(self) -> np.ndarray:
        """Return the value of weight `y` in every row, float32, from the bottom up."""
        return _centres(self.y_range, self.height)

    def check(self, network: Network) -> None:
        """Raise SettingError unless both are weights that the network has, and `rest` suits it."""
        self.rest.check(network)
        names = parameter_names(network)
        for field in ("x", "y"):
            name = getattr(self, field)
            if name not in names:
                raise SettingError(field, f"must be one of {', '.join(names)}", name, names)
            if not _are_there(network)[names.index(name)]:
                raise SettingError(field, "must name a weight that is not masked", name)

    def params_of(
        self, network: Network, seed: Any, init_range: Any, dtype: Any = jnp.float32
    ) -> Params:
        """Return the initial parameters of the run named by `seed`, which may be traced."""
        names = parameter_names(network)
        rest = self.rest.params_of(network, jnp.uint32(self.base_seed), init_range, dtype)
        pixel = jnp.asarray(seed, jnp.uint32)
        column, row = pixel % jnp.uint32(self.width), pixel // jnp.uint32(self.width)
        vector = flatten_params(network, rest)
        vector = vector.at[names.index(self.x)].set(_look_up(self.columns(), column, dtype))
        vector = vector.at[names.index(self.y)].set(_look_up(self.rows(), row, dtype))
        return unflatten_params(network, vector)


def _range(field: str, given: Any) -> Range:
    ends = [as_float(end) for end in given] if np.ndim(given) == 1 else []
    low, high = ends if len(ends) == 2 else (None, None)
    largest = float(np.finfo(np.float32).max)
    if low is None or high is None or not -largest <= low < high <= largest:
        raise SettingError(field, "must be two increasing numbers within float32", given)
    return low, high


def _centres(ends: Range, count: int) -> np.ndarray:
    low, high = ends
    return (low + (high - low) * (np.arange(count) + 0.5) / count).astype(np.float32)


def _look_up(values: np.ndarray, place: Array, dtype: Any) -> Array:
    # From a table, so that a pixel starts at the same point in every program and precision.
    return jnp.asarray(values)[place].astype(dtype)


def _are_there(network: Network) -> list[bool]:
    """Tell of each parameter, in the order of their names, whether it is not masked."""
    there: list[bool] = []
    for c in network.weights.values():
        mask = np.ones((network.size(c.source), network.size(c.target)), bool)
        mask = mask if c.mask is None else np.array(c.mask)
        if c.tie is None:
            there += mask.ravel().tolist()
        else:
            there += np.isin(np.arange(c.num_free), np.array(c.tie)[mask]).tolist()
    return there + [True] * sum(layer.size for layer in network.biases.values())
