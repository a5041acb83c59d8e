"""What is measured: cases, contenders, sizes and time budgets, as plain data without JAX."""

from typing import NamedTuple


class Size(NamedTuple):
    """How large one case is run, chosen so that a round of the idiom takes 0.2 to 0.5 seconds.

    Attributes:
      runs: of the JAX contenders, per device.
      our_runs: of ours, per device, rounded up to whole blocks; they make more epochs instead.
      epochs: of the scan, and of the outcome that all contenders are compared by.
      numpy_runs: of the batched NumPy contender.
      check_runs: the first so many seeds give the loss and the solved share of every contender.
      block_size: runs per device and block of ours; None for what a sweep takes.
    """

    runs: int
    our_runs: int
    epochs: int
    numpy_runs: int
    check_runs: int
    block_size: int | None = None


CASES = {
    "xor": Size(runs=16_384, our_runs=1024, epochs=1000, numpy_runs=4096, check_runs=32),
    "encoder": Size(runs=1024, our_runs=512, epochs=300, numpy_runs=512, check_runs=32),
    "symmetry": Size(runs=1024, our_runs=512, epochs=300, numpy_runs=512, check_runs=32),
    "family": Size(runs=256, our_runs=256, epochs=20, numpy_runs=64, check_runs=32),
}
"""Every case by name, in the order in which they are measured."""

SUITE_VERSION = 1
"""Rises when what the number of a suite is computed from changes: cases, sizes, how it is timed."""

LARGER_CASES = {
    "iris": Size(runs=256, our_runs=256, epochs=50, numpy_runs=64, check_runs=32),
    "spirals": Size(runs=64, our_runs=64, epochs=20, numpy_runs=16, check_runs=16),
    "digits": Size(runs=8, our_runs=8, epochs=10, numpy_runs=8, check_runs=8),
}
"""Nets of a size that users bring; measured where they are named."""

_AT_ONCE = {name: 8192 if name == "family" else 65_536 for name in CASES}
GPU_CASES = {
    name: size._replace(runs=_AT_ONCE[name], block_size=_AT_ONCE[name])
    for name, size in CASES.items()
}
"""The same on a GPU, where all contenders train equally many runs at once."""

LARGEST_BLOCK = 2**20
"""More lanes than a block may have are trained block after block."""

USEFUL_CASE = "xor"
USEFUL_MAX_EPOCHS = 10_000
"""The case that is also trained to its outcomes, and the cap for it."""

DEFAULT, ALL_CORES = "default", "all-cores"
"""The two workers: JAX as it comes, with one CPU device; and as our command line sets it up."""

IDIOM = "idiom"
IDIOM_IN_WORDS = "jit(vmap(scan(jax.grad + optax.sgd)))"
BASELINES = {
    "numpy-one": DEFAULT,
    "numpy-batched": DEFAULT,
    IDIOM: DEFAULT,
    "python-loop": DEFAULT,
    "idiom-sharded": ALL_CORES,
}
"""The contenders that are not ours, and the worker that each runs in."""

NOT_ON_A_GPU = ("numpy-one", "idiom-sharded")
"""NumPy knows no GPU, so one of its two is enough to compare with; and sharded over one card, the
idiom is the idiom."""

UNREACHABLE_LOSS = 1e-30
"""Criterion of raw throughput: no run ever meets it, so all make the same number of epochs."""


class Budget(NamedTuple):
    """How long a bench may take.

    Attributes:
      rounds: how often every contender has its turn.
      seconds: what one turn should take, for contenders whose number of epochs is free.
      useful_seeds: runs trained to their outcomes.
      useful_rounds: how often.
    """

    rounds: int
    seconds: float
    useful_seeds: int
    useful_rounds: int


QUICK = Budget(rounds=3, seconds=0.2, useful_seeds=40_000, useful_rounds=1)
FULL = Budget(rounds=9, seconds=0.5, useful_seeds=100_000, useful_rounds=3)
TINY = Budget(rounds=2, seconds=0.001, useful_seeds=64, useful_rounds=1)
"""`TINY` is for tests: everything happens, nothing is measured well."""
