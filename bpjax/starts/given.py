"""Given initial weights: runs that start where somebody says, instead of at random."""

import hashlib
from collections.abc import Sequence
from os import PathLike
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from bpjax.errors import SettingError
from bpjax.network import Network
from bpjax.params import Params, parameter_names, unflatten_params
from bpjax.starts.initial import NUM_SEEDS_THERE_ARE

_KINDS = "must be Params, a vector, or a table with a row per seed, of finite numbers"


class Start:
    """Start runs at given weights.

    A recipe has it in the place of its `Initializer`: `task.with_settings(initializer=Start(w))`.
    The weights are handed to the compiled program: other ones need no other program. A sweep is
    told by what they are, to the last bit.

    Args:
      weights: one set of weights, at which every run starts: `Params`, or a vector in the order of
        `bpjax.params.parameter_names`; or a table (num_seeds, num_parameters): the run named by
        seed k starts at row k, and there is no run without a row.
      names: of the parameters, in the order of the vector; None if that is known to be right.

    Raises:
      SettingError: if it is none of these, or a number is not finite.

    Example:
      >>> import bpjax
      >>> xor = bpjax.tasks.xor().with_settings(initializer=Start([0.1] * 9))
      >>> run = bpjax.train(xor, seed=0, max_epochs=1)
      >>> run.snapshots.weights[0].tolist() == [np.float32(0.1)] * 9
      True
    """

    uses_range = False

    def __init__(self, weights: Any, names: Sequence[str] | None = None):
        if isinstance(weights, str | PathLike):
            rule = "must be weights; bpjax.read_start reads them from a file"
            raise SettingError("start", rule, str(weights))
        if isinstance(weights, Params):
            parts = {
                field: {key: _numbers(entry) for key, entry in getattr(weights, field).items()}
                for field in Params._fields
            }
            self._given: Params | np.ndarray = Params(**parts)  # type: ignore[arg-type]
            content = [part.tobytes() for field in self._given for part in field.values()]
            told = {field: {k: v.shape for k, v in parts[field].items()} for field in parts}
        else:
            self._given = _numbers(weights)
            if self._given.ndim not in (1, 2) or not self._given.size:
                raise SettingError("start", _KINDS, self._given.shape)
            content, told = [self._given.tobytes()], self._given.shape  # type: ignore[assignment]
        self._names = None if names is None else tuple(names)
        about = f"{told} {self._names}".encode()
        self._digest = hashlib.sha256(b"".join([about, *content])).hexdigest()
        self._by_network: dict[Network, tuple[np.ndarray, str]] = {}  # asked at every grid point

    @property
    def num_seeds(self) -> int:
        """Number of runs there are: one per row of a table."""
        is_table = isinstance(self._given, np.ndarray) and self._given.ndim == 2
        return len(self._given) if is_table else NUM_SEEDS_THERE_ARE

    def check(self, network: Network) -> None:
        """Raise SettingError unless the weights are those of the network."""
        self.rows(network)

    def rows(self, network: Network) -> Float[np.ndarray, "rows num_parameters"]:
        """Return the weights as a table, float64: of one row where all runs start at the same.

        Raises:
          SettingError: unless they are those of the network.
        """
        return self._of(network)[0]

    def _of(self, network: Network) -> tuple[np.ndarray, str]:
        """Return `rows` and `told` of a network."""
        if network not in self._by_network:
            rows = self._checked(network)
            size = f"{len(rows)} rows of " if self.num_seeds < NUM_SEEDS_THERE_ARE else ""
            digest = hashlib.sha256(np.ascontiguousarray(rows).tobytes()).hexdigest()[:32]
            told = f"Start({size}{rows.shape[1]} weights, sha256 {digest})"
            self._by_network[network] = rows, told
        return self._by_network[network]

    def _checked(self, network: Network) -> np.ndarray:
        table = _flat(network, self._given) if isinstance(self._given, Params) else self._given
        table, names = np.atleast_2d(table), parameter_names(network)
        if self._names is not None and self._names != tuple(names):
            apart = next(
                (pair for pair in zip(self._names, names, strict=False) if pair[0] != pair[1]),
                (f"{len(self._names)} weights", f"{len(names)}"),
            )
            rule = f"must have the weights of this network, {apart[1]} in the place of"
            raise SettingError("start", rule, apart[0])
        if table.shape[1] != len(names):
            rule = f"must have {len(names)} weights for the network {network.describe()}"
            raise SettingError("start", rule, table.shape[1])
        absent = np.flatnonzero(~_there(network))
        if np.any(table[:, absent]):
            name = names[absent[np.argmax(np.any(table[:, absent], axis=0))]]
            raise SettingError("start", "must be 0 where a weight is masked", name)
        return table

    def params_of(
        self, network: Network, seed: Any, init_range: Any = None, dtype: Any = jnp.float32
    ) -> Params:
        """Return the initial parameters of the run named by `seed`, which may be traced."""
        del init_range
        rows = jnp.asarray(self.rows(network), dtype)
        return unflatten_params(network, rows[row_of(seed, len(rows))])

    def told(self, network: Network) -> str:
        """Return what tells the weights from any others, in words."""
        return self._of(network)[1]

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._digest == other._digest

    def __hash__(self) -> int:
        return hash(self._digest)

    def __repr__(self) -> str:
        return f"Start(sha256 {self._digest[:16]})"


def row_of(seed: Any, num_rows: int) -> Any:
    """Return the row of a table at which the run named by `seed` starts."""
    return jnp.asarray(seed, jnp.uint32) if num_rows > 1 else jnp.uint32(0)


def _numbers(given: Any) -> np.ndarray:
    try:
        numbers = np.array(given, np.float64)
    except (TypeError, ValueError):
        raise SettingError("start", _KINDS, given) from None
    if not np.all(np.isfinite(numbers)):
        place = np.argwhere(~np.isfinite(numbers))[0].tolist()
        raise SettingError("start", _KINDS, f"{numbers[tuple(place)]} at {place}")
    return numbers


def _flat(network: Network, params: Params) -> np.ndarray:
    wanted: dict[str, dict[Any, tuple[int, ...]]] = {
        "weight": {key: network.weight_shape(c) for key, c in network.weights.items()},
        "bias": {name: (layer.size,) for name, layer in network.biases.items()},
    }
    parts = []
    for field, shapes in wanted.items():
        given = getattr(params, field)
        if {key: entry.shape for key, entry in given.items()} != shapes:
            rule = f"must have the entries of the network {network.describe()} in its `{field}`"
            found = {key: entry.shape for key, entry in given.items()}
            raise SettingError("start", rule, found)
        parts += [np.ravel(given[key]) for key in shapes]
    return np.concatenate(parts)


def _there(network: Network) -> np.ndarray:
    """Tell of each number of the vector whether it is a weight, and not masked."""
    parts = [
        np.ravel(c.mask)
        if c.tie is None and c.mask is not None
        else np.full(network.weight_shape(c), True).ravel()
        for c in network.weights.values()
    ]
    biases = sum(layer.size for layer in network.biases.values())
    return np.concatenate([*parts, np.full(biases, True)]).astype(bool)
