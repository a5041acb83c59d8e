"""Figures from results.

Of one run: `loss_curve`, `gradient_size`; of its net: `network_diagram`, `hinton`, `hinton_panels`,
`unit_panels`, `activities`. Of many runs: `survival` and `survival_panels`, `epochs_histogram`,
`loss_fan`, `setting_curve` and `setting_map` for grids, `plane` for initial weights, `class_bars`.
Of a bench: `lanes_curve`, `ranges`.

Every function draws what it is given, computes no statistics, takes `ax=None` and returns the
`Axes`; `save_figure(axes.figure, path)` writes PNG and SVG.
"""

import inspect

from bpjax.plots.activities import activities as activities
from bpjax.plots.bars import class_bars as class_bars
from bpjax.plots.curve import setting_curve as setting_curve
from bpjax.plots.diagram import network_diagram as network_diagram
from bpjax.plots.fan import loss_fan as loss_fan
from bpjax.plots.gradient import gradient_size as gradient_size
from bpjax.plots.hinton import hinton as hinton
from bpjax.plots.hinton import unit_panels as unit_panels
from bpjax.plots.histogram import epochs_histogram as epochs_histogram
from bpjax.plots.lanes import lanes_curve as lanes_curve
from bpjax.plots.loss import loss_curve as loss_curve
from bpjax.plots.map import setting_map as setting_map
from bpjax.plots.panels import hinton_panels as hinton_panels
from bpjax.plots.plane import plane as plane
from bpjax.plots.ranges import ranges as ranges
from bpjax.plots.style import new_axes as new_axes
from bpjax.plots.style import save_figure as save_figure
from bpjax.plots.survival import survival as survival
from bpjax.plots.survival import survival_panels as survival_panels

__all__ = [name for name, drawn in globals().items() if inspect.isfunction(drawn)]
