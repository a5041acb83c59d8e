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
    for part in parts_of(ax):
        texts = [t for t in part.get_children() if isinstance(t, Text) and t.get_text()]
        texts += [part.xaxis.label, part.yaxis.label]
        texts += part.get_legend().get_texts() if part.get_legend() else []
        for axis, (low, high) in ((part.xaxis, part.get_xlim()), (part.yaxis, part.get_ylim())):
            if not part.axison:
                continue
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


def every_tick_has_a_number(ax: Axes) -> None:
    """Hold every mark at every axis of a figure, colour bars and panels too, to have its number."""
    drawn(ax)
    for part in parts_of(ax):
        if not part.axison:
            continue
        for axis, ends in ((part.xaxis, part.get_xlim()), (part.yaxis, part.get_ylim())):
            low, high = sorted(ends)
            seen = 0
            for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
                inside = low <= tick.get_loc() <= high
                for line, label in ((tick.tick1line, tick.label1), (tick.tick2line, tick.label2)):
                    marked = line.get_visible() and line.get_markersize() > 0
                    if inside and marked:
                        told = label.get_visible() and label.get_text()
                        assert told, f"{part.get_title(loc='left')!r}: nothing at {tick.get_loc()}"
                        seen += 1
            assert seen != 1 or axis.get_scale() == "linear", "a scale with a single number"


def parts_of(ax: Axes) -> list[Axes]:
    """Return all axes of a figure, those within others too."""
    return [part for own in ax.figure.axes for part in (own, *own.child_axes)]
