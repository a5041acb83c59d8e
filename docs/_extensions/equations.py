"""Formulae as MathML, which browsers draw by themselves: pages work offline and without scripts.

Docutils, on which Sphinx stands, translates LaTeX. The directive `equation` sets a formula with the
number that it has in the paper, and a target `equation-N` to link to.
"""

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

logger = logging.getLogger(__name__)


def mathml(latex: str, as_block: bool) -> str:
    """Return a formula as MathML.

    Raises:
      MathError: for LaTeX that is not understood.
    """
    return tex2mathml(latex, as_block=as_block)


def _translated(node: nodes.Element, as_block: bool) -> str:
    try:
        return mathml(node.astext(), as_block)
    except MathError as fault:
        logger.warning("formula %r: %s", node.astext(), fault, location=node)
        return ""


def _inline(translator, node):
    translator.body.append(_translated(node, as_block=False))
    raise nodes.SkipNode


def _block(translator, node):
    around = node.parent.get("ids", [])  # a theme may have put a box around it, under the same name
    ids = "".join(f' id="{name}"' for name in node["ids"][:1] if name not in around)
    number = f'<span class="number">({node["number"]})</span>' if node.get("number") else ""
    formula = _translated(node, as_block=True)
    translator.body.append(f'<div class="equation"{ids}><div>{formula}</div>{number}</div>')
    raise nodes.SkipNode


class Equation(SphinxDirective):
    """A formula with the number that the paper gives it."""

    has_content = True
    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the formula, as a target of links."""
        number = self.arguments[0]
        latex = "\n".join(self.content)
        node = nodes.math_block(latex, latex, number=number, nowrap=False)
        node["names"].append(f"equation-{number}")
        self.set_source_info(node)
        self.state.document.note_explicit_target(node, node)
        return [node]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer and the directive."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    app.add_directive("equation", Equation)
    return {"parallel_read_safe": True}
