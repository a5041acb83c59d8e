"""The directive `source-lines`: lines of the code, taken from the code when the page is built.

    ```{source-lines} bpjax.backprop.backward_pass
    :tag: (7)
    ```

shows the lines of that function whose comment bears the tag; without a tag, the whole body but its
docstring. A name that is not there or a tag that no line has is a warning, and fails the build.
"""

import ast
import importlib
import inspect
import re
import textwrap
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).parents[2]


def found(name: str) -> Any:
    """Return what a dotted name means.

    Raises:
      LookupError: if there is no such thing.
    """
    module, rest = name, []
    while module:
        try:
            thing = importlib.import_module(module)
            break
        except ModuleNotFoundError:
            module, _, last = module.rpartition(".")
            rest.insert(0, last)
    else:
        raise LookupError(f"there is no {name}")
    for part in rest:
        if not hasattr(thing, part):
            raise LookupError(f"there is no {name}")
        thing = getattr(thing, part)
    return inspect.unwrap(thing)


def tagged(source: str, tag: str) -> str:
    r"""Return the lines whose comment bears a tag like "(5)", in order and without their indent.

    Raises:
      LookupError: if no line does.

    Example:
      >>> tagged("def f():\n    y = x @ w  # (1)\n    return y", "(1)")
      'y = x @ w  # (1)'
    """
    ends = re.compile(rf"#.*{re.escape(tag)}")
    lines = [line.strip() for line in source.splitlines() if ends.search(line)]
    if not lines:
        raise LookupError(f"no line bears the tag {tag}")
    return "\n".join(lines)


def body(source: str) -> str:
    r"""Return the source of a function or class without its docstring.

    Example:
      >>> body('def f():\n    "Return one."\n    return 1')
      'def f():\n    return 1'
    """
    source = textwrap.dedent(source).rstrip()
    (tree,) = ast.parse(source).body
    lines = source.splitlines()
    first = tree.body[0]  # type: ignore[attr-defined]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        del lines[first.lineno - 1 : first.end_lineno]
    return re.sub(r"\n\n+", "\n", "\n".join(lines))


class SourceLines(SphinxDirective):
    """Lines of the code."""

    required_arguments = 1
    option_spec = {"tag": directives.unchanged}  # noqa: RUF012  (docutils' own protocol)

    def run(self) -> list[nodes.Node]:
        """Return the lines, under the name of the function that they are in."""
        name, tag = self.arguments[0], self.options.get("tag")
        try:
            thing = found(name)
            source = inspect.getsource(thing)
            text = tagged(source, tag) if tag else body(source)
            file = Path(inspect.getsourcefile(thing) or "")
        except (LookupError, TypeError, OSError) as fault:
            return [self.state.document.reporter.warning(f"{name}: {fault}", line=self.lineno)]
        self.env.note_dependency(file)
        where = file.relative_to(ROOT) if file.is_relative_to(ROOT) else file.name
        block = nodes.literal_block(text, text, language="python")
        caption = nodes.caption("", f"{where}, {thing.__qualname__}")
        return [nodes.container("", caption, block, literal_block=True, classes=["from-source"])]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("source-lines", SourceLines)
    return {"parallel_read_safe": True}
