"""Telling a T from a C, with one feature detector at every place (PDP vol. 1, ch. 8)."""

import numpy as np

from bpjax.connections import Connection, Layer
from bpjax.display import Display
from bpjax.network import Network
from bpjax.numbers import whole_number
from bpjax.recipe import Recipe
from bpjax.task import Published, Task
from bpjax.tasks.cases import (
    check_choice,
    check_flag,
    check_off_on,
    middle_criterion,
    on_off_targets,
)


def t_c(
    rows: int = 4,
    columns: int = 4,
    positions: str = "all",
    equal_output_weights: bool = False,
    off: float = 0.0,
    on: float = 1.0,
) -> Task:
    """Return T-C: the target is on for a T and off for a C, in any orientation and at any place.

    Every hidden unit sees a window of 3 by 3 cells, and all of them share its nine weights and
    one threshold: they are one feature detector, at every place where its window overlaps the
    retina. The shared threshold is a tied weight from a unit that is always on.

    Args:
      rows: of the retina, 3 to 12.
      columns: of the retina, 3 to 12.
      positions: "all" shows each of the 8 patterns wherever it fits on the retina, "one" only in
        the middle (half a cell above or left of it where there is no middle).
      equal_output_weights: tie all weights from the hidden units to the output.
      off: target of the output for a C.
      on: target of the output for a T.

    Raises:
      SettingError: for an option out of range.

    Example:
      >>> t_c().num_cases, t_c().network.num_parameters
      (40, 47)
      >>> t_c(positions="one", equal_output_weights=True).network.num_parameters
      12
    """
    rows = whole_number("rows", rows, 3, 12)
    columns = whole_number("columns", columns, 3, 12)
    positions = check_choice("positions", positions, ("all", "one"))
    check_flag("equal_output_weights", equal_output_weights)
    off, on = check_off_on(off, on)
    # The gradients of all places add up: with many of them a rate of 0.25 is too much.
    learning_rate = 0.25 if positions == "one" else 0.02
    shown = "in the middle" if positions == "one" else "wherever they fit"
    retinas, is_t = _cases(rows, columns, positions)
    always_on = np.ones((len(retinas), 1))
    return Task(
        name="t-c",
        title=f"T or C on {rows} by {columns} cells"
        + (", in the middle" if positions == "one" else "")
        + (", equal output weights" if equal_output_weights else ""),
        options={
            "rows": rows,
            "columns": columns,
            "positions": positions,
            "equal_output_weights": equal_output_weights,
            "off": off,
            "on": on,
        },
        network=_network(rows, columns, equal_output_weights),
        inputs=np.hstack([retinas.reshape(len(retinas), -1), always_on]),
        targets=on_off_targets(is_t[:, None], off, on),
        recipe=Recipe(learning_rate=learning_rate, momentum=0.9, init_range=0.3, max_epochs=5000),
        criterion=middle_criterion(off, on),
        source="Rumelhart, Hinton & Williams, PDP vol. 1 ch. 8 (1986), Figs 13-15",
        open_choices=(
            "Not in the part of the chapter that was read: the learning rate (default "
            f"{learning_rate}), initial range (0.3), which shape has target 1 (T), targets (0 and "
            "1), stopping rule (right side of the middle), number of epochs, and whether weights "
            "change after each case or each epoch (each epoch). Not shown: the size of the retina "
            f"({rows} by {columns}) and where patterns are shown ({shown}); whether detectors "
            "reach over its border (they do, by all but one cell) and share one threshold (they "
            "do); whether the weights to the output are equal "
            f"({_EQUAL if equal_output_weights else 'they need not be'}). The gradient of a "
            "shared weight is the sum over its copies. Momentum 0.9, the chapter's usual value "
            "(p. 330), is secondary."
        ),
        published=_PUBLISHED,
        display=Display(
            rows={"retina": rows, "hidden": rows + WINDOW - 1, ("retina", "hidden"): WINDOW}
        ),
    )


_EQUAL = (
    "they are; then hardly any run is solved, on 4 by 4 cells within 5,000 epochs 2 of 100 with "
    "patterns wherever they fit and none of 100 in the middle, from weights in +-1 12 and 7"
)

T_SHAPES = ("###/.#./.#.", "..#/###/..#", ".#./.#./###", "#../###/#..")
C_SHAPES = ("##/#./##", "###/#.#", "##/.#/##", "#.#/###")
"""Four orientations of each, row by row (Fig. 13)."""

WINDOW = 3
"""Rows and columns of what a hidden unit sees."""


def _pattern(shape: str) -> np.ndarray:
    return np.array([[float(cell == "#") for cell in row] for row in shape.split("/")])


def _cases(rows: int, columns: int, positions: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the retinas (num_cases, rows, columns), and which of them show a T."""
    retinas, is_t = [], []
    for shape in T_SHAPES + C_SHAPES:
        pattern = _pattern(shape)
        height, width = pattern.shape
        places = list(np.ndindex(rows - height + 1, columns - width + 1))
        if positions == "one":
            places = [((rows - height) // 2, (columns - width) // 2)]
        for top, left in places:
            retina = np.zeros((rows, columns))
            retina[top : top + height, left : left + width] = pattern
            retinas.append(retina)
            is_t.append(shape in T_SHAPES)
    return np.array(retinas), np.array(is_t)


def _network(rows: int, columns: int, equal_output_weights: bool) -> Network:
    num_hidden = (rows + WINDOW - 1) * (columns + WINDOW - 1)
    layers = [
        Layer("retina", rows * columns),
        Layer("always_on", 1),
        Layer("hidden", num_hidden, bias=False),
        Layer("output", 1),
    ]
    mask, tie = _windows(rows, columns)
    shared_threshold = ((0,) * num_hidden,)
    equal = ((0,),) * num_hidden if equal_output_weights else None
    connections = [
        Connection("retina", "hidden", mask=mask, tie=tie),  # type: ignore[arg-type]
        Connection("always_on", "hidden", tie=shared_threshold),
        Connection("hidden", "output", tie=equal),
    ]
    return Network(layers, connections)


def _windows(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Return mask and tie from the retina to the hidden units, row by row of their windows.

    The first window reaches over the upper left corner of the retina by all but one cell.
    """
    shape = (rows, columns, rows + WINDOW - 1, columns + WINDOW - 1)
    row, column, window_row, window_column = np.indices(shape)
    down, right = row - window_row + WINDOW - 1, column - window_column + WINDOW - 1
    mask = (down >= 0) & (down < WINDOW) & (right >= 0) & (right < WINDOW)
    tie = np.where(mask, WINDOW * down + right, 0)
    matrix = (rows * columns, -1)
    return mask.reshape(matrix), tie.reshape(matrix)


_PUBLISHED = (
    Published(
        "four detectors of different runs are drawn: on-centre off-surround, vertical bar, "
        "diagonal bar, compactness",
        None,
        "verified",
        "Fig. 15",
    ),
    Published("5,000 to 10,000 presentations of the 8 patterns", None, "unverified", "ch. 8"),
)
