"""How Sphinx builds the documentation: `sphinx-build -W -n docs docs/_build/html`.

The reference pages have places such as `<!-- generated: settings -->`; what belongs there is made from
the code (generated.py) when a page is read, and is stored nowhere.
"""

import re
import sys
import tomllib
from pathlib import Path

from docutils import nodes  # type: ignore[import-untyped]  # as in types-docutils only
from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from docs import generated  # noqa: E402 (it is found there)

project = "repdyn"
author = "The repdyn developers"
copyright = author  # noqa: A001 (Sphinx's name)
release = version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
language = "en"
smartquotes = False  # would turn --lr into –lr

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "deflist"]
nb_execution_mode = "off"  # notebooks are stored executed; a test runs them again

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
default_role = "literal"  # as in Markdown
napoleon_numpy_docstring = False
# only references within repdyn can be checked offline
nitpick_ignore_regex = [("py:.*", r"(?!repdyn\.).*")]

html_theme = "furo"
html_title = f"repdyn {release}"
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
html_static_path: list[str] = []


INCLUDED = {
    "../benchmarks/README.md": "benchmarks.md",
    "../CHANGELOG.md": "changelog.md",
    "../CONTRIBUTING.md": "contributing.md",
}
"""The page of each file that lies elsewhere in the repository; links are to the file."""


def _rewritten(_app: Sphinx, _page: str, source: list[str]) -> None:
    text = re.sub(
        r"<!-- generated: (\w+) -->", lambda place: generated.PARTS[place[1]](), source[0]
    )
    for path, page in INCLUDED.items():
        text = text.replace(f"]({path}", f"]({page}")
    source[0] = text


def _with_dashes(_app: Sphinx, page: nodes.document) -> None:
    for text in list(page.findall(nodes.Text)):
        if text == " -- ":  # between a parameter and what it is
            text.parent.replace(text, nodes.Text(" – "))


def setup(app: Sphinx) -> None:
    """Fill in the generated parts of each page when it is read."""
    app.connect("source-read", _rewritten)
    app.connect("doctree-read", _with_dashes)
