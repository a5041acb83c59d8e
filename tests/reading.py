"""What tests read off a figure: its key, and whether its texts keep apart."""

from matplotlib.axes import Axes
from matplotlib.text import Text


def key(ax: Axes) -> list[str]:
    legend = ax.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


def drawn(ax: Axes) -> None:
    """Lay the figure out as saving would, so that warnings and impossible scales show."""
    ax.figure.draw_without_rendering()


def texts_apart(ax: Axes) -> None:
    """Hold title, key, labels and ticks of all axes of a figure against each other."""
    drawn(ax)
    boxes = []
    for part in [*ax.figure.axes, *(child for a in ax.figure.axes for child in a.child_axes)]:
        texts = [t for t in part.get_children() if isinstance(t, Text) and t.get_text()]
        texts += [part.xaxis.label, part.yaxis.label]
        texts += part.get_legend().get_texts() if part.get_legend() else []
        for axis, (low, high) in ((part.xaxis, part.get_xlim()), (part.yaxis, part.get_ylim())):
            inside = sorted((low, high))
            for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
                if inside[0] <= tick.get_loc() <= inside[1]:
                    texts += [tick.label1, tick.label2]
        boxes += [
            (t.get_text(), t.get_window_extent()) for t in texts if t.get_visible() and t.get_text()
        ]
    outline = ax.figure.bbox
    for i, (words, box) in enumerate(boxes):
        assert outline.x0 <= box.x0 < box.x1 <= outline.x1, words
        assert outline.y0 <= box.y0 < box.y1 <= outline.y1, words
        for other, place in boxes[i + 1 :]:
            assert not box.overlaps(place), (words, other)
