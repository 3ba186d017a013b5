"""Self-contained HTML pages from templates: no script, nothing loaded from elsewhere."""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import version
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape  # jinja2 needs it

from repdyn.display.wording import plain


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("repdyn.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["wrapped"] = _wrapped
    return made


def render(template: str, **values: Any) -> str:
    """Return a page; all texts in the values are escaped, and control characters removed.

    Args:
        template: name of its file in `templates`, without `.html.j2`.
        values: by the names that it uses.
    """
    page = _environment().get_template(f"{template}.html.j2")
    return page.render(repdyn_version=version("repdyn"), **values)


def _finalized(value: Any) -> Any:
    """Return what an expression shows: text of runs loses its control characters."""
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _wrapped(text: str) -> Markup:
    """Return a name in which lines may break between its words."""
    shown = str(escape(plain(text)))
    return Markup(re.sub(r"([_/]|(?<=[a-z0-9])\.(?=[a-z]))", r"\1<wbr>", shown))  # noqa: S704 - escaped
