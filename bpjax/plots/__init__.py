"""Figures from results.

Of one run: `loss_curve`, `gradient_size`, `hinton`. Of many: `survival`, `epochs_histogram`,
`loss_fan`, `setting_curve` and `setting_map` for grids, `plane` for initial weights, `class_bars`.

Every function draws what it is given, computes no statistics, takes `ax=None` and returns the
`Axes`; `save_figure(axes.figure, path)` writes the PNG.
"""

from bpjax.plots.bars import class_bars
from bpjax.plots.curve import setting_curve
from bpjax.plots.fan import loss_fan
from bpjax.plots.gradient import gradient_size
from bpjax.plots.hinton import hinton
from bpjax.plots.histogram import epochs_histogram
from bpjax.plots.loss import loss_curve
from bpjax.plots.map import setting_map
from bpjax.plots.plane import plane
from bpjax.plots.style import new_axes, save_figure
from bpjax.plots.survival import survival

__all__ = [
    "class_bars",
    "epochs_histogram",
    "gradient_size",
    "hinton",
    "loss_curve",
    "loss_fan",
    "new_axes",
    "plane",
    "save_figure",
    "setting_curve",
    "setting_map",
    "survival",
]
