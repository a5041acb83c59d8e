"""Figures from results: `loss_curve`, `gradient_size`, `survival`, `epochs_histogram`,
`hinton`.

Every function draws what it is given, computes no statistics, takes `ax=None` and returns the
`Axes`; `save_figure(axes.figure, path)` writes the PNG.
"""

from bpjax.plots.gradient import gradient_size
from bpjax.plots.hinton import hinton
from bpjax.plots.histogram import epochs_histogram
from bpjax.plots.loss import loss_curve
from bpjax.plots.style import new_axes, save_figure
from bpjax.plots.survival import survival

__all__ = [
    "epochs_histogram",
    "gradient_size",
    "hinton",
    "loss_curve",
    "new_axes",
    "save_figure",
    "survival",
]
