"""P5: the same seeds in every order, chunk, shard, on more devices, resumed: the same bits."""

from collections import Counter
from typing import Any

import jax

import bpjax
from experiments import same_bits


def measure(full: bool) -> dict[str, Any]:
    """Compare the hashes of all combinations of ways to train the same seeds."""
    devices = same_bits.NUM_DEVICES if full else (2,)
    jax.config.update("jax_num_cpu_devices", max(devices))
    bpjax.use_all_cpu_cores()
    record = same_bits.compute(same_bits.PUBLISHED_RUNS if full else 20, devices)
    hashes = {row["implementation"]: Counter(row["hashes"]) for row in record["sweeps"]}
    tried = sum(found.total() for found in hashes.values())
    failed = sum(found.total() - max(found.values()) for found in hashes.values())
    naive = max(row["different_seeds"] for row in record["naive"])
    return {
        "tried": tried,
        "failed": failed,
        "words": f"{record['num_runs']:,} seeds of {record['task']}, trained in {tried} "
        f"combinations of order, lanes, chunks, accidents, shards and 1 to {max(devices)} devices: "
        f"{failed} differ in any bit. Of `jit(vmap(train))` {naive:,} seeds change with the batch.",
        "hashes": {name: dict(found) for name, found in hashes.items()},
        "naive": record["naive"],
    }
