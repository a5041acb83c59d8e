"""Figures from results: `loss_curve`, `gradient_size`, `survival`, `epochs_histogram`, and of one
net `network_diagram`, `activities`, `hinton`, `hinton_panels`, `unit_panels`.

Every function draws what it is given, computes no statistics, takes `ax=None` and returns the
`Axes`; `save_figure(axes.figure, path)` writes the PNG.
"""

from bpjax.plots.activities import activities
from bpjax.plots.diagram import network_diagram
from bpjax.plots.gradient import gradient_size
from bpjax.plots.hinton import hinton, unit_panels
from bpjax.plots.histogram import epochs_histogram
from bpjax.plots.loss import loss_curve
from bpjax.plots.panels import hinton_panels
from bpjax.plots.style import new_axes, save_figure
from bpjax.plots.survival import survival

__all__ = [
    "activities",
    "epochs_histogram",
    "gradient_size",
    "hinton",
    "hinton_panels",
    "loss_curve",
    "network_diagram",
    "new_axes",
    "save_figure",
    "survival",
    "unit_panels",
]
