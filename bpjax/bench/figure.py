"""The one curve of a bench: rates over lanes, on a GPU."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes

from bpjax.bench.sizes import ALL_CORES, LARGEST_BLOCK, USEFUL_CASE
from bpjax.plots import lanes_curve


def lanes_figure(record: Mapping[str, Any]) -> Axes:
    """Draw the rates over lanes of a record of the suite gpu."""
    worker, gpu = record["workers"][ALL_CORES], record["gpu"]
    names = ", ".join(dict.fromkeys(row["name"] for row in gpu["lanes"]))
    rounds, versions = record["budget"]["rounds"], worker["versions"]
    title = (
        f"{USEFUL_CASE} on {worker['device_kind']}: {names}\n"
        f"{rounds} rounds, {record['dtype']}, jax {versions['jax']}, "
        f"bpjax {record['machine']['bpjax']}; ours trains at most {LARGEST_BLOCK:,} at once"
    )
    return lanes_curve(gpu["lanes"], title=title, bound=gpu["bound"])
