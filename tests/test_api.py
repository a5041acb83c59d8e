"""The package as seen from outside: public names, import direction, what an import costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import bpjax

PACKAGE = Path(bpjax.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

LAYERS = (  # lowest first: a module imports from its own layer or a lower one
    {"errors", "named", "numbers", "precision", "progress", "status", "surroundings"}
    | {"text", "traced", "units", "version"},
    {"connections", "loss", "schedule"},
    {"network", "rules"},
    {"params"},
    {"starts"},
    {"brought", "display", "presentation"},
    {"backprop", "criteria", "learning", "recurrent"},
    {"keywords", "recipe"},
    {"task"},
    {"held_out", "tasks"},
    {"printed"},
    {"epoch", "oracles", "problems", "witness"},
    {"gradient_check"},
    {"analysis", "layouts", "notebook"},
    {"settings"},
    {"results"},
    {"sweeps"},
    {"recording", "told"},
    {"training", "histories"},
    {"run_files", "run_part"},
    {"run_folder"},
    {"comparing", "loading", "start_files"},
    {"experiment"},
    {"plots"},
    {"figures"},
    {"bench", "explain", "report"},
    {"repair"},
    {"cli"},
)

ROOMS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
ROOMS_BY_LAYER = {  # likewise inside the largest
    "results": (
        {"files", "schema", "counts"},
        {"sealed", "writer"},
        {"chunks", "identity"},
        {"columns", "extent", "manifest"},
        {"folder"},
        {"store"},
        {"export", "summary"},
    ),
    "starts": ({"distributions", "fans", "normal"}, {"choice"}, {"initial"}, {"given", "plane"}),
    "layouts": ({"lanes", "choose"}, {"matrix", "unrolled", "batched"}, {"fused"}),
    "sweeps": (
        {"devices"},
        {"plan"},
        {"memory", "roster"},
        {"planning", "scheduler"},
        {"collected", "result", "watched"},
        {"crew"},
        {"host_loop"},
        {"until"},
    ),
}


def rank(part):
    ranks = [k for k, layer in enumerate(LAYERS) if part in layer]
    assert ranks, f"bpjax.{part} has no place in the layers"
    return ranks[0]


def imported_modules(path):
    """Every module that a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in {path}"
            yield node.module


def part_of(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def relative_name(path):
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("name", bpjax.__all__)
def test_every_public_name_is_there_and_documented(name):
    assert getattr(bpjax, name).__doc__


def test_the_names_are_written_once_for_python_and_once_for_type_checkers():
    tree = ast.parse(Path(bpjax.__file__).read_text())
    (guarded,) = (node for node in tree.body if isinstance(node, ast.If))
    typed = {alias.asname for node in guarded.body for alias in node.names}
    assert typed | {"__version__"} == set(bpjax.__all__) == set(dir(bpjax))
    assert len(bpjax.__all__) == len(set(bpjax.__all__))


def test_other_names_are_no_attributes():
    with pytest.raises(AttributeError, match="module 'bpjax' has no attribute 'numpy'"):
        _ = bpjax.numpy


@pytest.mark.parametrize("path", FILES, ids=relative_name)
def test_imports_go_down(path):
    part = part_of(path)
    if part == "__init__":
        pytest.skip("the front door knows every room")
    for module in imported_modules(path):
        assert module != "bpjax", f"{relative_name(path)} imports from bpjax itself"
        if module.startswith("bpjax."):
            assert rank(module.split(".")[1]) <= rank(part), f"{part} imports {module}"


def imports_within(room):
    """By module of a room, the others that it imports."""
    found = {}
    for path in (PACKAGE / room).glob("*.py"):
        modules = [name.split(".") for name in imported_modules(path)]
        inner = {name[2] for name in modules if name[:2] == ["bpjax", room] and len(name) > 2}
        found[path.stem] = inner - {path.stem}
    return found


def circle_in(graph):
    """A way from a module back to itself, or nothing."""

    def look(name, way):
        if name in way:
            return [*way[way.index(name) :], name]
        return next(filter(None, (look(other, [*way, name]) for other in graph.get(name, ()))), [])

    return next(filter(None, (look(name, []) for name in graph)), [])


@pytest.mark.parametrize("room", ROOMS)
def test_no_modules_of_a_room_import_each_other_in_a_circle(room):
    graph = {name: inner for name, inner in imports_within(room).items() if name != "__init__"}
    assert not circle_in(graph)
    assert circle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]


@pytest.mark.parametrize("room", ROOMS_BY_LAYER)
def test_imports_go_down_inside_a_room(room):
    layers, graph = ROOMS_BY_LAYER[room], imports_within(room)
    assert graph.keys() - {"__init__"} == set().union(*layers)
    ranks = {name: k for k, layer in enumerate(layers) for name in layer}
    for name, inner in graph.items():
        for other in inner if name != "__init__" else ():
            assert ranks[other] <= ranks[name], f"{name}: {other}"


def test_the_statistics_need_no_jax():
    for path in (PACKAGE / "analysis").rglob("*.py"):
        roots = {module.split(".")[0] for module in imported_modules(path)}
        assert not roots & {"jax", "optax"}, path


@pytest.mark.parametrize("module", ["bpjax", "bpjax.cli", "bpjax.analysis"])
def test_importing_does_not_start_jax(module):
    if not (PACKAGE.parent / Path(*module.split("."))).exists():
        pytest.skip(f"there is no {module}")
    program = f"import sys, {module}; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=PACKAGE.parent).returncode == 0
