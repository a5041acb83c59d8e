"""How the pages are built: `sphinx-build -W -b html docs OUT`, in the extra `docs`."""

import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_extensions"), str(HERE.parent)]

from bpjax.version import __version__  # noqa: E402  (found by the line above)

project = "bpjax"
author = "the bpjax authors"
copyright = "the bpjax authors, Apache-2.0"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "equations",  # formulae as MathML: no script, no font, nothing from the network
    "source_lines",  # the lines of code beside an equation
    "generated",  # what commands, tasks, records and modules say of themselves
]
exclude_patterns = ["_extensions"]

myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # an included page may begin below its first heading

default_role = "code"  # docstrings write `name` with single backticks
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say what arguments are, in words
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
toc_object_entries = False
napoleon_use_ivar = True
napoleon_use_rtype = False
add_module_names = False

html_theme = "furo"
html_title = f"bpjax {__version__}"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
html_show_search_summary = False  # it would fetch pages, which a browser refuses from the disk


def _plain_bars(app, what, name, obj, options, lines):
    """Keep |x| in docstrings, which are plain words, from being read as a substitution."""
    lines[:] = [
        line if line.lstrip().startswith(">>>") else line.replace("|", r"\|") for line in lines
    ]


def _fields_of_tuples(app, what, name, obj, skip, options):
    """Leave out the fields of a NamedTuple, which its docstring explains."""
    return True if type(obj).__name__ == "_tuplegetter" else None


def _between_studies(app, path, parent, content):
    """Lead links from one study to another to its page."""
    content[0] = re.sub(r"\]\(\.\./(\w+)/README\.md\)", r"](/understand/studies/\1.md)", content[0])


def setup(app):
    """Connect what is defined here."""
    app.connect("include-read", _between_studies)
    app.connect("autodoc-process-docstring", _plain_bars, priority=900)
    app.connect("autodoc-skip-member", _fields_of_tuples)
