"""Same seed, same bits: whatever the order, the accidents, the chunks, the devices and the shards.

A sweep promises that a run's bits depend on nothing but the run, at one block shape. Here the same
seeds are trained in every combination of ways to go about it, and the hash of all outcomes and
final weights is compared. Beside it stands what most people would write, `jit(vmap(train))` over
batches of seeds, whose bits depend on the size of the batch.

    python -m experiments.same_bits

makes the published folder, experiments/results/same_bits; `--runs 100` is a quicker look, kept in
results/same_bits-100.
"""

import contextlib
import functools
import hashlib
import itertools
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import optax

import bpjax
from bpjax.params import flatten_params
from bpjax.sweeps import host_loop
from bpjax.sweeps.devices import lane_mesh
from bpjax.sweeps.host_loop import environment, run_plan
from bpjax.sweeps.planning import make_plan
from experiments.study import Result, Study

PUBLISHED_RUNS = 1_000
MAX_EPOCHS = 400
TASK = bpjax.tasks.xor().with_settings(learning_rate=1.0, init_range=1.0, max_epochs=MAX_EPOCHS)
"""About two thirds of the runs converge within the cap."""
NUM_DEVICES = (1, 2, 4, 8)
BATCHES = (64, 250, 256, 1000)
"""Of the naive program; the same seeds in batches of one size and of another."""
WAYS: dict[str, tuple[Any, ...]] = {
    "order": ("one pass", "second half first"),
    "lanes": ("refilled", "waiting for the last"),
    "chunks": ("one", "many"),
    "accident": ("none", "stopped and resumed"),
    "shards": (1, 3),
}


def compute(num_runs: int, num_devices: Sequence[int] = NUM_DEVICES) -> dict[str, Any]:
    """Train the same seeds in every combination of ways, and naively.

    Args:
      num_runs: number of seeds.
      num_devices: numbers of CPU devices to try; as many must exist.

    Returns:
      What `results.json` holds: per implementation the number of combinations and their distinct
      hashes, and how the naive program fared.
    """
    rows = []
    for implementation in ("matrix", "unrolled"):
        hashes = list(_hashes(num_runs, implementation, num_devices))
        rows.append(
            {
                "implementation": implementation,
                "combinations": len(hashes),
                "distinct_hashes": sorted(set(hashes)),
                "hashes": hashes,
            }
        )
    return {
        "task": f"xor 2-2-1, learning rate 1, weights in [-1, 1], cap {MAX_EPOCHS}",
        "num_runs": num_runs,
        "num_devices": list(num_devices),
        "ways": {name: list(values) for name, values in WAYS.items()},
        "sweeps": rows,
        "naive": _naive(num_runs),
        "environment": environment(),
    }


def _hashes(num_runs: int, implementation: str, num_devices: Sequence[int]) -> Iterator[str]:
    for devices in num_devices:
        for way in itertools.product(*WAYS.values()):
            yield _hash(_train(num_runs, implementation, devices, *way))


def _train(
    num_runs: int,
    implementation: str,
    devices: int,
    order: str,
    lanes: str,
    chunks: str,
    accident: str,
    shards: int,
) -> dict[str, np.ndarray]:
    """Return the per-run table in the order of the seeds, however it was made."""
    half = num_runs // 2
    parts = [(0, num_runs)] if order == "one pass" else [(half, num_runs), (0, half)]
    tables = []
    for first, last in parts:
        for k in range(1, shards + 1):
            plan = make_plan(
                TASK,
                last - first,
                first_seed=first,
                implementation=implementation,
                keep_weights=True,
                refill=lanes == "refilled",
                shard=(k, shards) if shards > 1 else None,
            )
            storing = {"SECONDS_PER_CHUNK": 0.0} if chunks == "many" else {}
            with mock.patch.dict(vars(host_loop), storing):
                tables.append(_accidentally(plan, devices, accident != "none"))
    joined = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    order_of_seeds = np.argsort(joined["seed"])
    return {name: column[order_of_seeds] for name, column in joined.items()}


def _accidentally(plan: Any, devices: int, accident: bool) -> Any:
    if not accident:
        return run_plan(plan, num_devices=devices).table.columns
    calls = itertools.count()

    def stop(at: Any) -> None:
        if next(calls) == 3:
            raise KeyboardInterrupt

    with tempfile.TemporaryDirectory() as folder:
        with contextlib.suppress(KeyboardInterrupt):
            run_plan(plan, folder, stop, devices)
        return run_plan(plan, folder, num_devices=devices).table.columns


def _hash(table: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in ("seed", "status", "epochs", "loss", "weights"):
        digest.update(np.ascontiguousarray(table[name]).tobytes())
    return digest.hexdigest()[:16]


# ---- the naive program ---------------------------------------------------------------------------


def _naive(num_runs: int) -> list[dict[str, Any]]:
    """Return, per batch size, how many seeds end with other weights than in the first size."""
    weights = {size: _naive_weights(num_runs, size) for size in BATCHES}
    first = weights[BATCHES[0]]
    return [
        {
            "batch": size,
            "hash": hashlib.sha256(found.tobytes()).hexdigest()[:16],
            "different_seeds": int(np.any(found != first, axis=1).sum()),
        }
        for size, found in weights.items()
    ]


def _naive_weights(num_runs: int, size: int) -> np.ndarray:
    """Return the final weights of `jit(vmap(train))`, the seeds in batches of `size`."""
    parts = []
    for start in range(0, num_runs, size):
        seeds = np.arange(start, start + size, dtype=np.uint32)  # the last batch is filled up
        parts.append(np.asarray(_naive_batch(seeds)))
    return np.concatenate(parts)[:num_runs]


@jax.jit
@functools.partial(jax.vmap)
def _naive_batch(seed: Any) -> Any:
    inputs, targets = TASK.cases()
    optimizer = optax.sgd(TASK.recipe.learning_rate, momentum=TASK.recipe.momentum)
    params = bpjax.init_params(TASK.network, bpjax.run_key(seed), TASK.recipe.init_range)

    def loss(params: Any) -> Any:
        hidden = jax.nn.sigmoid(
            inputs @ params.weight["input", "hidden"] + params.bias["hidden"][None]
        )
        outputs = jax.nn.sigmoid(
            hidden @ params.weight["hidden", "output"] + params.bias["output"][None]
        )
        return 0.5 * jnp.sum((outputs - targets) ** 2)

    def epoch(carry: Any, _: None) -> Any:
        params, state = carry
        updates, state = optimizer.update(jax.grad(loss)(params), state, params)
        return (optax.apply_updates(params, updates), state), None

    (params, _), _ = jax.lax.scan(epoch, (params, optimizer.init(params)), length=MAX_EPOCHS)
    return flatten_params(TASK.network, params)


# ---- saved and written up ------------------------------------------------------------------------


def write_up(record: Mapping[str, Any]) -> str:
    """Return the finding as Markdown."""
    num_runs, devices = record["num_runs"], ", ".join(map(str, record["num_devices"]))
    ways = "; ".join(f"{name}: {' or '.join(map(str, w))}" for name, w in record["ways"].items())
    lines = [
        "# Same seed, same bits",
        "",
        f"{record['task']}: {num_runs:,} seeds, trained in every combination of {ways}; on "
        f"{devices} CPU devices. The hash covers status, epochs, loss and final weights.",
        "",
        "| program | combinations | distinct hashes | seeds that differ |",
        "|---|---|---|---|",
    ]
    for row in record["sweeps"]:
        found = row["distinct_hashes"]
        lines.append(
            f"| `bpjax sweep`, {row['implementation']} | {row['combinations']} | {len(found)} "
            f"(`{found[0]}`) | {'0' if len(found) == 1 else 'some'} |"
        )
    first, *others = record["naive"]
    for row in others:
        same = int(row["hash"] == first["hash"])
        lines.append(
            f"| `jit(vmap(train))`, batches of {row['batch']} against {first['batch']} | 2 | "
            f"{2 - same} | {row['different_seeds']:,} of {num_runs:,} |"
        )
    lines += ["", "Made by `python -m experiments.same_bits`.", ""]
    return "\n".join(lines)


def on_devices(num_runs: int, folder: Path) -> Result:
    """Compute with as many CPU devices as there can be."""
    del folder
    devices = [n for n in NUM_DEVICES if n <= lane_mesh().size]
    return Result(compute(num_runs, devices))


STUDY = Study(
    name="same_bits",
    published_runs=PUBLISHED_RUNS,
    counted="number of seeds",
    words=__doc__,
    compute=on_devices,
    write_up=write_up,
    holds=lambda record: all(len(row["distinct_hashes"]) == 1 for row in record["sweeps"]),
)


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", max(NUM_DEVICES))
    raise SystemExit(STUDY.main())
