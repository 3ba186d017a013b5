"""The parts of the reference that are made from the code, as Markdown."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import ModuleType
from typing import Literal, get_args, get_origin, get_type_hints

from sphinx.pycode import ModuleAnalyzer
from textual.keys import format_key

import repdyn
from repdyn import own_runs, records
from repdyn.analysis.scores import MEANINGS
from repdyn.cli.app import app
from repdyn.display.labels import PHASE_MEANINGS, PHASES
from repdyn.display.wording import score_words
from repdyn.measures.spec import MEASURES
from repdyn.settings.schema import DataConfig, MeasureConfig, ModelConfig, OptimConfig, StoreConfig
from repdyn.storage import schema
from tui.actions import ACTIONS
from tui.screens.explained import EXPLAINED
from tui.screens.help import TITLES

GROUPS: Mapping[str, type] = {
    "Data": DataConfig,
    "Model": ModelConfig,
    "Training": OptimConfig,
    "Measures": MeasureConfig,
    "Store": StoreConfig,
}

READ = (
    "repdyn.records.RunRecord",
    "repdyn.run_summary.RunSummary",
    "repdyn.records.Dynamics",
    "repdyn.records.Curve",
    "repdyn.records.Phases",
    "repdyn.score_key.ScoreKey",
)
"""What `load_run` returns, and its parts."""

TAKEN = (
    "repdyn.runs.observer.Observer",
    "repdyn.measures.inputs.Probed",
    "repdyn.report.comparison.CrossCka",
)
"""Of parameters, results and attributes of the public names."""

CALLBACKS = (
    "repdyn.integrations.lightning.RepdynCallback",
    "repdyn.integrations.transformers.RepdynCallback",
)


def settings() -> str:
    """Return a table of each group of settings."""
    return "\n\n".join(
        f"## {heading}\n\n{_table(('setting', 'default', 'what it does'), _settings(group))}"
        for heading, group in GROUPS.items()
    )


def _settings(group: type) -> Iterable[Sequence[str]]:
    helps, types = _field_docs(group), get_type_hints(group)
    for one in dataclasses.fields(group):
        choices = get_args(types[one.name]) if get_origin(types[one.name]) is Literal else ()
        listed = f" One of {', '.join(f'`{c}`' for c in choices)}." if choices else ""
        yield f"`{one.name}`", _default(one.default), f"{_text(helps[one.name])}{listed}"


def _default(value: object) -> str:
    if value is None or value in ("", ()):
        return "–"
    return f"`{','.join(value) if isinstance(value, tuple) else value}`"


def commands() -> str:
    """Return the help of each command."""
    # what comes first is a list of them, as the page's own contents have it
    _, first, rest = app.generate_docs("markdown", usage_name="repdyn").partition("## repdyn ")
    return _text(f"{first}{rest}")


def keys() -> str:
    """Return what each view shows, with its actions and their keys."""
    parts = []
    for place, title in TITLES.items():
        actions = [action for action in ACTIONS if action.place == place]
        rows = ((_keys(action.keys), f"`{action.name}`", _text(action.help)) for action in actions)
        if actions:
            explained = f"{EXPLAINED[place]}\n\n" if place in EXPLAINED else ""
            parts.append(f"## {title}\n\n{explained}{_table(('key', 'action', ''), rows)}")
    return "\n\n".join(parts)


def _keys(keys: str) -> str:
    return " ".join(f"`{format_key(key)}`" for key in keys.split(",") if key)


def scores() -> str:
    """Return a table of the phase boundaries, and one of the scores."""
    boundaries = ((PHASES[name], f"`phase/{name}`", said) for name, said in PHASE_MEANINGS.items())
    meanings = (
        (score_words(score), f"`{schema.SCORE}{score}_…`", said) for score, said in MEANINGS.items()
    )
    heads = ("", "metric", "what it is")
    return f"## Phases\n\n{_table(heads, boundaries)}\n\n## Scores\n\n{_table(heads, meanings)}"


def measures() -> str:
    """Return a table of the similarity measures."""
    rows = (
        (
            f"`{name}`",
            one.title,
            f"{one.bounds[0]} to {one.bounds[1]}",
            "yes" if one.includes_output else "no",
            one.error_over or "–",
            one.citation,
        )
        for name, one in MEASURES.items()
    )
    return _table(("name", "", "range", "output, too", "standard error over", "source"), rows)


def artifacts() -> str:
    """Return tables of the files, arrays, metrics and tags of a run."""
    said = _constants(schema)
    files = [
        (f"`{getattr(schema, name)}`", said[name])
        for name in ("LAYERS", "EPOCHS", "PHASES", "TIMINGS", "PLANES", "LAST_STATE")
    ]
    files += [
        (_path(schema.label_maps_path(0)), "Label maps of a checkpoint: `maps` and `fine`."),
        (_path(schema.checkpoint_path(0)), "Weights of a checkpoint."),
        *(
            (_path(schema.summaries_path(name, 0)), _summaries(name, one.dtypes))
            for name, one in MEASURES.items()
            if one.folder
        ),
        (f"`{schema.figure_path('NAME')}`", "Figures."),
        (f"`{schema.REPORT}`, `{schema.COMPARISON}`", "Of the parent run of a sweep."),
    ]
    arrays = (
        (f"`{schema.array_path(name)}`", f"({', '.join(axes)})")
        for name, axes in schema.SHAPES.items()
    )
    tags = (
        (f"`{getattr(module, name)}`", text)
        for module in (schema, own_runs, records)
        for name, text in _constants(module).items()
        if name.endswith("_TAG")
    )
    parts = {
        "Files": _table(("path", "content"), files),
        "Arrays by layer and checkpoint, float32": _table(("path", "axes"), arrays),
        "Tags": _table(("tag", "content"), tags),
    }
    return "\n\n".join(f"## {heading}\n\n{table}" for heading, table in parts.items())


def _path(path: str) -> str:
    return f"`{path.replace('00000', 'XXXXX')}`"


def _summaries(measure: str, types: Sequence[str]) -> str:
    return f"What `{measure}` compares: a row for each layer, {' or '.join(types)}."


def api() -> str:
    """Return directives that document the public names, from their docstrings."""
    functions = [name for name in repdyn.__all__ if name.islower() and name != "checkpoints"]
    classes = [name for name in repdyn.__all__ if not name.islower()]
    parts = {
        "Functions": [_auto("function", f"repdyn.{name}") for name in functions],
        "Classes": [_auto("class", f"repdyn.{name}") for name in classes],
        "What `load_run` returns": [_auto("class", name) for name in READ],
        "Callbacks": [_auto("class", name) for name in CALLBACKS],
        "Checkpoints of other programs": [_auto("module", "repdyn.checkpoints")],
        "Other types": [_auto("class", name) for name in TAKEN],
        "Errors": [_auto("exception", "repdyn.errors.UserError")],
    }
    return "\n\n".join("\n\n".join([f"## {name}", *texts]) for name, texts in parts.items())


def _auto(kind: str, name: str) -> str:
    members = "" if kind == "function" else "   :members:\n"
    return f"```{{eval-rst}}\n.. auto{kind}:: {name}\n{members}```"


def _field_docs(group: type) -> dict[str, str]:
    """Return the strings below the fields of a dataclass and of its bases."""
    docs: dict[str, str] = {}
    for owner in reversed(group.__mro__[:-1]):
        found = ModuleAnalyzer.for_module(owner.__module__).find_attr_docs()
        for (name, field), lines in found.items():
            if name == owner.__name__:
                docs[field] = " ".join(lines).strip()
    return docs


def _constants(module: ModuleType) -> dict[str, str]:
    """Return the strings below the constants of a module, in their order."""
    found = ModuleAnalyzer.for_module(module.__name__).find_attr_docs()
    return {
        name: _text(" ".join(lines).strip()) for (owner, name), lines in found.items() if not owner
    }


def _text(text: str) -> str:
    """Return text as Markdown in which nothing is HTML."""
    return text.replace("<", r"\<")


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", r"\|")


PARTS: Mapping[str, Callable[[], str]] = {
    make.__name__: make for make in (settings, commands, keys, scores, measures, artifacts, api)
}
"""By the name that a page gives in `<!-- generated: NAME -->`."""
