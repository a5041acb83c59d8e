"""The map of a package, drawn from what its modules really import: it cannot drift from the code.

Boxes are modules and packages; each stands above all that it imports. A line leads down to what a
box imports, unless a way through another box leads there anyway.
"""

import ast
import html
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

Graph = Mapping[str, set[str]]
"""By name, what each module imports."""

BOX_HEIGHT, ROW_HEIGHT, GAP, MARGIN, LETTER = 30, 66, 14, 10, 8.2
"""In pixels; `LETTER` is the width of a letter in the boxes' font."""


def import_graph(package: Path, inside: str) -> dict[str, set[str]]:
    """Return what the modules and packages in a folder import of each other.

    Args:
      package: the folder.
      inside: its dotted name.
    """
    files = {path: path.relative_to(package).with_suffix("").parts for path in _modules(package)}
    graph: dict[str, set[str]] = {parts[0]: set() for parts in files.values()}
    for path, parts in files.items():
        for module in _imported(ast.parse(path.read_text())):
            name = module.removeprefix(f"{inside}.").split(".")[0]
            if module.startswith(f"{inside}.") and name in graph and name != parts[0]:
                graph[parts[0]].add(name)
    return graph


def first_sentence(path: Path) -> str:
    """Return the first line of the docstring of a module, or of a package by its folder."""
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return (ast.get_docstring(ast.parse(file.read_text())) or "").splitlines()[0]


def ranks(graph: Graph) -> dict[str, int]:
    """Return the row of every module: 0 for one that imports none of the others.

    Raises:
      ValueError: if modules import each other in a circle.

    Example:
      >>> ranks({"a": set(), "b": {"a"}, "c": {"a", "b"}})
      {'a': 0, 'b': 1, 'c': 2}
    """
    found: dict[str, int] = {}

    def rank(name: str, above: tuple[str, ...]) -> int:
        if name in above:
            raise ValueError(f"a circle of imports: {' -> '.join([*above, name])}")
        if name not in found:
            found[name] = 1 + max(
                (rank(other, (*above, name)) for other in graph[name]), default=-1
            )
        return found[name]

    for name in graph:
        rank(name, ())
    return found


def direct(graph: Graph) -> dict[str, set[str]]:
    """Return the graph without lines that another way replaces.

    Example:
      >>> direct({"a": set(), "b": {"a"}, "c": {"a", "b"}})["c"]
      {'b'}
    """
    below: dict[str, set[str]] = {}
    for name in sorted(graph, key=ranks(graph).__getitem__):
        below[name] = set().union(graph[name], *(below[other] for other in graph[name]))
    return {
        name: others - set().union(*(below[other] for other in others))
        for name, others in graph.items()
    }


def svg(graph: Graph, words: Mapping[str, str], title: str) -> str:
    """Return the map as an SVG element that takes its colours from the page.

    Args:
      graph: from `import_graph`.
      words: by name, what a module is, shown where the pointer rests.
      title: for people who cannot see it.
    """
    lines, rows = direct(graph), _rows(graph)
    widths = {name: LETTER * len(name) + 18 for name in graph}
    width = max(sum(widths[name] + GAP for name in row) for row in rows) + 2 * MARGIN
    height = len(rows) * ROW_HEIGHT - ROW_HEIGHT + BOX_HEIGHT + 2 * MARGIN
    places: dict[str, tuple[float, float]] = {}
    for k, row in enumerate(rows):
        free = width - 2 * MARGIN - sum(widths[name] for name in row)
        space, x = free / len(row), MARGIN + free / len(row) / 2
        for name in row:
            places[name] = (x, height - MARGIN - BOX_HEIGHT - k * ROW_HEIGHT)
            x += widths[name] + space
    parts = [
        f'<svg class="map" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" role="img" '
        f'xmlns="http://www.w3.org/2000/svg"><title>{html.escape(title)}</title>'
    ]
    for name, others in lines.items():
        parts += [_line(places, widths, name, other) for other in sorted(others)]
    parts += [_box(places[name], widths[name], name, words[name]) for name in graph]
    return "".join([*parts, "</svg>"])


def _modules(package: Path) -> Iterator[Path]:
    return (
        path
        for path in sorted(package.rglob("*.py"))
        if path.parent != package or path.stem != "__init__"
    )


def _imported(tree: ast.AST) -> Iterator[str]:
    """Yield the modules that are imported when the program runs: not those for type checkers."""
    if isinstance(tree, ast.If) and "TYPE_CHECKING" in ast.unparse(tree.test):
        return
    if isinstance(tree, ast.Import):
        yield from (alias.name for alias in tree.names)
    if isinstance(tree, ast.ImportFrom) and tree.module:
        yield tree.module
        yield from (f"{tree.module}.{alias.name}" for alias in tree.names)
    for child in ast.iter_child_nodes(tree):
        yield from _imported(child)


def _rows(graph: Graph) -> list[list[str]]:
    """Return the rows from below, each in an order that keeps lines short."""
    found = ranks(graph)
    rows = [sorted(n for n in graph if found[n] == k) for k in range(max(found.values()) + 1)]
    users = {name: {other for other in graph if name in graph[other]} for name in graph}
    for _ in range(8):
        for neighbours, order in ((graph, rows), (users, rows[::-1])):
            for row in order:
                where = {name: (k + 0.5) / len(r) for r in rows for k, name in enumerate(r)}
                row.sort(key=lambda name: _mean((where[n] for n in neighbours[name]), where[name]))
    return rows


def _mean(numbers: Iterable[float], otherwise: float) -> float:
    values = list(numbers)
    return sum(values) / len(values) if values else otherwise


def _line(
    places: Mapping[str, tuple[float, float]], widths: Mapping[str, float], name: str, other: str
) -> str:
    (x, top), (x_below, y_below) = places[name], places[other]
    x, x_below, y = x + widths[name] / 2, x_below + widths[other] / 2, top + BOX_HEIGHT
    bend = (y_below - y) / 2
    return (
        f'<path d="M{x:.0f},{y:.0f} C{x:.0f},{y + bend:.0f} {x_below:.0f},{y_below - bend:.0f} '
        f'{x_below:.0f},{y_below:.0f}"/>'
    )


def _box(place: tuple[float, float], width: float, name: str, words: str) -> str:
    x, y = place
    return (
        f"<g><title>{html.escape(f'{name}: {words}')}</title>"
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{BOX_HEIGHT}" rx="5"/>'
        f'<text x="{x + width / 2:.0f}" y="{y + 20:.0f}">{html.escape(name)}</text></g>'
    )
