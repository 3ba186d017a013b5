"""The parts of the reference that are made from the code, as Markdown."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence

from sphinx.pycode import ModuleAnalyzer

from repdyn.settings.schema import DataConfig, MeasureConfig, ModelConfig, OptimConfig, StoreConfig

GROUPS: Mapping[str, type] = {
    "Data": DataConfig,
    "Model": ModelConfig,
    "Training": OptimConfig,
    "Measures": MeasureConfig,
    "Store": StoreConfig,
}


def settings() -> str:
    """Return a table of each group of settings."""
    return "\n\n".join(
        f"## {heading}\n\n{_table(('setting', 'default', 'what it does'), _settings(group))}"
        for heading, group in GROUPS.items()
    )


def _settings(group: type) -> Iterable[Sequence[str]]:
    helps = _field_docs(group)
    for one in dataclasses.fields(group):
        yield f"`{one.name}`", _default(one.default), helps[one.name]


def _default(value: object) -> str:
    if value is None or value in ("", ()):
        return "–"
    return f"`{','.join(value) if isinstance(value, tuple) else value}`"


def _field_docs(group: type) -> dict[str, str]:
    """Return the strings below the fields of a dataclass and of its bases."""
    docs: dict[str, str] = {}
    for owner in reversed(group.__mro__[:-1]):
        found = ModuleAnalyzer.for_module(owner.__module__).find_attr_docs()
        for (name, field), lines in found.items():
            if name == owner.__name__:
                docs[field] = " ".join(lines).strip()
    return docs


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")


PARTS: Mapping[str, Callable[[], str]] = {"settings": settings}
"""By the name that a page gives in `<!-- generated: NAME -->`."""
