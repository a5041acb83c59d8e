"""Which distribution each connection has: words like "uniform; input -> hidden: glorot"."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Array

from bpjax.connections import Connection, Key
from bpjax.errors import SettingError
from bpjax.named import as_fault_of, read_named, spell_named
from bpjax.network import Network
from bpjax.params import Params
from bpjax.starts.distributions import DISTRIBUTIONS, Draw, Site
from bpjax.starts.fans import exists, fan_in_of_units, fans_of, once

_MAKERS = {name: each.make for name, each in DISTRIBUTIONS.items()}
_FORM = "must be NAME, with SOURCE -> TARGET: NAME for single connections behind semicolons"


@dataclasses.dataclass(frozen=True)
class Choice:
    """A distribution for each connection.

    Attributes:
      usual: of all that are not named; in the one spelling of a name and its options.
      by_connection: (source, target) and the distribution of those that have another one.
    """

    usual: str
    by_connection: tuple[tuple[Key, str], ...] = ()

    @staticmethod
    def read(text: Any) -> "Choice":
        """Return what the words say.

        Raises:
          SettingError: if they say nothing, an unknown name, or an option that breaks its rule.
        """
        if not isinstance(text, str):
            raise SettingError("distribution", _FORM, text)
        return _read(text)

    def spelled(self) -> str:
        """Return the words that `read` reads, the same for all that mean the same."""
        others = (f"{' -> '.join(key)}: {name}" for key, name in self.by_connection)
        return "; ".join([self.usual, *others])

    @property
    def uses_range(self) -> bool:
        """Whether `init_range` has a meaning for any of the distributions."""
        names = [self.usual, *(name for _, name in self.by_connection)]
        return any(DISTRIBUTIONS[name.partition("(")[0]].uses_range for name in names)

    def check(self, network: Network) -> None:
        """Raise SettingError unless the net has the named connections, and can have what they say.

        Layers are those that stand once: of a net laid out in time, those of the iterated one.
        """
        network = once(network)
        for key, _ in self.by_connection:
            if key not in network.weights:
                known = ", ".join(map(" -> ".join, network.weights))
                raise SettingError("distribution", f"must name some of {known}", " -> ".join(key))
        keys = [c.weight_key for c in network.connections]
        for key, c in network.weights.items():
            shared = c.tie is not None or keys.count(key) > 1
            if shared and self.of(key).startswith("nguyen-widrow") and not _to_output(network, c):
                rule = "must not be nguyen-widrow where units share weights"
                raise SettingError("distribution", rule, " -> ".join(key))

    def of(self, key: Key) -> str:
        """Return the distribution of a connection, by its `weight_key`."""
        return dict(self.by_connection).get(key, self.usual)

    def drawn(self, network: Network, raw: Callable[[str], Params], init_range: Array) -> Params:
        """Return initial parameters; those of absent weights are of no use.

        Args:
          network: the net.
          raw: of "uniform" or "normal", the raw draws of all parameters.
          init_range: of the recipe.
        """
        net = once(network)
        fans, entering = fans_of(net), fan_in_of_units(net)

        def weight(key: Key) -> Array:
            c = net.weights[key]
            site = Site(
                raw=lambda kind: raw(kind).weight[key],
                init_range=init_range,
                fan_in=fans[key].fan_in,
                fan_out=fans[key].fan_out,
                num_units=net.size(c.target),
                biases=False,
                to_output=_to_output(net, c),
                fellows=lambda: [
                    (raw("uniform").weight[other.weight_key], exists(net, other))
                    for other in net.incoming[c.target]
                    if self.of(other.weight_key) == self.of(key)
                ],
            )
            return _draw(self.of(key))(site)

        def bias(key: str) -> Array:
            layer = net.biases[key]
            first = net.incoming[layer.name][0]
            site = Site(
                raw=lambda kind: raw(kind).bias[key],
                init_range=init_range,
                fan_in=np.maximum(entering[layer.name], 1),
                fan_out=np.ones(layer.size),
                num_units=layer.size,
                biases=True,
                to_output=_to_output(net, first),
                fellows=list,
            )
            return _draw(self.of(first.weight_key))(site)

        return Params(
            {key: weight(key) for key in network.weights},
            {key: bias(key) for key in network.biases},
        )


@functools.cache
def _read(text: str) -> Choice:
    first, *others = text.split(";")
    usual = _spelled(first)
    found: dict[Key, str] = {}
    for part in others:
        connection, colon, name = part.partition(":")
        source, arrow, target = (word.strip() for word in connection.partition("->"))
        if not (colon and arrow and source and target):
            raise SettingError("distribution", _FORM, text)
        if (source, target) in found:
            rule = f"must say only once what {source} -> {target} has"
            raise SettingError("distribution", rule, text)
        found[source, target] = _spelled(name)
    other = {key: name for key, name in found.items() if name != usual}
    return Choice(usual, tuple(sorted(other.items())))


def _spelled(text: str) -> str:
    name, options = read_named("distribution", text.strip(), _MAKERS)
    with as_fault_of("distribution", text.strip()):
        _MAKERS[name](**options)
    return spell_named(name, options)


def _draw(spelled: str) -> Draw:
    name, options = read_named("distribution", spelled, _MAKERS)
    return _MAKERS[name](**options)


def _to_output(network: Network, connection: Connection) -> bool:
    return connection.target in network.outputs
