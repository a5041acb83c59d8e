"""Layouts: the ways to train a block of runs, a module each, and what they are for.

A layout computes what `bpjax.epoch.step` computes, for all lanes of a block at once. `lanes` has
what they share and says what a `Layout` is; `choose` takes one. A new layout is a module with a
`LAYOUT`, and its line in `LAYOUTS`.
"""

import importlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bpjax.layouts.lanes import Layout

AUTO = "auto"
LAYOUTS = {
    "unrolled": "the smallest nets, faster",
    "fused": "still smaller ones, as one kernel of a GPU",
    "batched": "any net, for GPUs and larger nets",
    "matrix": "any net",
}
"""What each layout is for. Asked for `auto`, a sweep takes the first that calls itself the best."""

IMPLEMENTATIONS = (AUTO, *LAYOUTS)
"""What a sweep can be asked for."""


def layout_named(name: str) -> "Layout":
    """Return a layout by its name, a key of `LAYOUTS`; only now is its module loaded."""
    return importlib.import_module(f"bpjax.layouts.{name}").LAYOUT  # type: ignore[no-any-return]
