"""Networks whose weights the companion chapter prints (PDP vol. 1, ch. 8), ready to be run.

The figures draw each weight beside its line and each bias inside its unit. Here they stand in the
shape of `Params`, so that `weight[i, j]` leads from unit i to unit j. All were read in scans of the
figures ("verified").

Their tasks have targets 0.1 and 0.9. That the chapter trained for these is not known from the part
of its text that was read; it is what the weights say: see `xor_local_minimum`.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from bpjax.params import Params
from bpjax.task import Task
from bpjax.tasks import symmetry, xor


@dataclasses.dataclass(frozen=True, eq=False)
class PrintedNetwork:
    """One network as a figure prints it.

    Args:
      title: one line for people.
      task: the task it was trained for; `task.network` is its wiring.
      weight: per connection the printed weights, `weight[i, j]` from unit i to unit j.
      bias: per layer the printed biases.
      source: the figure.
    """

    title: str
    task: Task
    weight: dict[tuple[str, str], np.ndarray]
    bias: dict[str, np.ndarray]
    source: str

    def params(self, dtype: jax.typing.DTypeLike = jnp.float32) -> Params:
        """Return the weights as `Params` of JAX arrays, for the passes of `bpjax.backprop`."""
        printed = self.weight, self.bias
        return Params(*jax.tree.map(lambda entry: jnp.asarray(entry, dtype), printed))

    def vector(self) -> np.ndarray:
        """Return the weights as one float64 vector in the order of `parameter_names`.

        Example:
          >>> xor_direct().vector().tolist()
          [-6.4, -6.4, -4.2, -4.2, -9.4, 2.2, 6.3]
        """
        network = self.task.network
        weights = [self.weight[key] for key in network.weights]
        biases = [self.bias[name] for name in network.biases]
        return np.concatenate([entry.reshape(-1) for entry in weights + biases])


def xor_direct() -> PrintedNetwork:
    """Return the chapter's solution of exclusive-or with one hidden unit, 2-1-1 (Fig. 3).

    The hidden unit is on unless an input is (NOR), and then holds the output off; so do two
    inputs together.

    Example:
      >>> import bpjax
      >>> net = xor_direct()
      >>> outputs = bpjax.forward(net.task.network, net.params(), net.task.inputs)["output"]
      >>> [round(y, 3) for y in outputs[:, 0].tolist()]  # of 00, 01, 10, 11
      [0.103, 0.877, 0.877, 0.109]
    """
    return PrintedNetwork(
        title="exclusive-or solved by a 2-1-1 net with direct connections",
        task=xor(direct=True, off=0.1, on=0.9),
        weight={
            ("input", "hidden"): np.array([[-6.4], [-6.4]]),
            ("input", "output"): np.array([[-4.2], [-4.2]]),
            ("hidden", "output"): np.array([[-9.4]]),
        },
        bias={"hidden": np.array([2.2]), "output": np.array([6.3])},
        source="Rumelhart, Hinton & Williams, PDP vol. 1 ch. 8 (1986), Fig. 3",
    )


def xor_local_minimum() -> PrintedNetwork:
    """Return the chapter's local minimum of exclusive-or, 2-2-1 (Fig. 5).

    Once input 2 (the right one) is on, both hidden units are on whatever input 1 is, and the
    output stands at 0.5 for two cases that need opposite answers. The other two are right.

    What the printed weights say of the targets, in numbers that the tests recompute:

    - *Not 0 and 1.* The norm of the gradient is 0.017 at the printed weights. Every true weight
      is within 0.05 of its printed value, and the smallest norm that an optimiser finds in that box
      is 0.014. It cannot be 0: in case 11 hidden unit 1 is saturated, so case 10 alone pulls at the
      weight from input 1 to it, and does so, by 0.0067 or more everywhere in the box, until its
      output equals its target. The output is 0.898: 0.9, not 1.
    - *0.1 and 0.9.* The norm is 0.0011 at the printed weights and 0.00009 at the best point of the
      box; in the whole box it reaches 0.039.

    What is left there is the pull on input 2's weights, which fades as they grow: with both at 20,
    a point with a norm below 1e-8 is near. That fits what was proved later: this net has no local
    minimum at finite weights, only at infinity (Sprinkhuizen-Kuyper & Boers, Neural Computation 8,
    1996, abstract).

    Example:
      >>> import bpjax
      >>> net = xor_local_minimum()
      >>> outputs = bpjax.forward(net.task.network, net.params(), net.task.inputs)["output"]
      >>> [round(y, 3) for y in outputs[:, 0].tolist()]  # of 00, 01, 10, 11
      [0.096, 0.5, 0.898, 0.5]
    """
    return PrintedNetwork(
        title="local minimum of exclusive-or in a 2-2-1 net",
        task=xor(off=0.1, on=0.9),
        weight={
            ("input", "hidden"): np.array([[-2.0, 4.3], [9.2, 8.8]]),
            ("hidden", "output"): np.array([[-4.5], [5.3]]),
        },
        bias={"hidden": np.array([2.0, -0.1]), "output": np.array([-0.8])},
        source="Rumelhart, Hinton & Williams, PDP vol. 1 ch. 8 (1986), Fig. 5",
    )


def symmetry_detector() -> PrintedNetwork:
    """Return the chapter's solution of mirror symmetry, 6-2-1 (Fig. 9).

    Another run than Fig. 1 of the paper. Its hidden biases are printed as -1.0.

    Example:
      >>> from bpjax.analysis.solutions import mirror_weights
      >>> into_hidden = symmetry_detector().weight["input", "hidden"]
      >>> mirror_weights(into_hidden.T).sizes.round(2).tolist()
      [[1.0, 1.99, 3.96], [1.0, 2.0, 3.95]]
    """
    unit_a = [-3.18, 6.32, -12.56, 12.56, -6.33, 3.17]
    unit_b = [3.16, -6.34, 12.52, -12.51, 6.31, -3.17]
    return PrintedNetwork(
        title="mirror symmetry solved by a 6-2-1 net",
        task=symmetry(off=0.1, on=0.9),
        weight={
            ("input", "hidden"): np.array([unit_a, unit_b]).T,
            ("hidden", "output"): np.array([[-9.44], [-9.44]]),
        },
        bias={"hidden": np.array([-1.0, -1.0]), "output": np.array([6.89])},
        source="Rumelhart, Hinton & Williams, PDP vol. 1 ch. 8 (1986), Fig. 9",
    )
