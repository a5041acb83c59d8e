"""Figures from results.

Of one run: `loss_curve`, `gradient_size`; of its net: `network_diagram`, `hinton`, `hinton_panels`,
`unit_panels`, `activities`. Of many runs: `survival`, `epochs_histogram`, `loss_fan`,
`setting_curve` and `setting_map` for grids, `plane` for initial weights, `class_bars`. Of a bench:
`lanes_curve`.

Every function draws what it is given, computes no statistics, takes `ax=None` and returns the
`Axes`; `save_figure(axes.figure, path)` writes PNG and SVG.
"""

from bpjax.plots.activities import activities
from bpjax.plots.bars import class_bars
from bpjax.plots.curve import setting_curve
from bpjax.plots.diagram import network_diagram
from bpjax.plots.fan import loss_fan
from bpjax.plots.gradient import gradient_size
from bpjax.plots.hinton import hinton, unit_panels
from bpjax.plots.histogram import epochs_histogram
from bpjax.plots.lanes import lanes_curve
from bpjax.plots.loss import loss_curve
from bpjax.plots.map import setting_map
from bpjax.plots.panels import hinton_panels
from bpjax.plots.plane import plane
from bpjax.plots.style import new_axes, save_figure
from bpjax.plots.survival import survival

__all__ = [
    "activities",
    "class_bars",
    "epochs_histogram",
    "gradient_size",
    "hinton",
    "hinton_panels",
    "lanes_curve",
    "loss_curve",
    "loss_fan",
    "network_diagram",
    "new_axes",
    "plane",
    "save_figure",
    "setting_curve",
    "setting_map",
    "survival",
    "unit_panels",
]
