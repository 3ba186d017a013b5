"""The settings as options of the command line.

Names, types, defaults and help come from settings/schema.py; what cyclopts needs besides is here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any

from cyclopts import Group, Parameter, Token

from repdyn.errors import UserError
from repdyn.measures.settings import MeasureSettings
from repdyn.settings.schema import (
    DataConfig,
    MeasureConfig,
    ModelConfig,
    OptimConfig,
    StoreConfig,
)
from repdyn.settings.text import read_checkpoints, read_names, read_plane_kinds


def _options(group: str, sort_key: int) -> Parameter:
    """Return what makes options of a dataclass's fields, listed under a heading of the help."""
    return Parameter(name="*", group=Group(group, sort_key=sort_key))


def _list(read: Callable[[Sequence[str]], Any]) -> Parameter:
    """Return what makes an option of a list written in one word, 0,1,10."""

    def convert(_hint: object, tokens: Sequence[Token]) -> Any:
        return read([token.value for token in tokens])

    return Parameter(converter=convert, n_tokens=1)


# These add to the annotations of fields; fields, defaults and help are inherited.


class _Model(ModelConfig):
    arch_arg: Annotated[tuple[str, ...], Parameter(show_default=False)]


class _Measures(MeasureConfig):
    checkpoints: Annotated[int | tuple[int, ...] | None, _list(read_checkpoints)]
    layers: Annotated[str, Parameter(show_default=False)]
    similarity: Annotated[tuple[str, ...], _list(read_names)]
    plane_kinds: Annotated[tuple[str, ...] | None, _list(read_plane_kinds)]


class _How(MeasureSettings):
    similarity: Annotated[tuple[str, ...], _list(read_names)]


RUN = Annotated[
    str, Parameter(help="Run id, unique id prefix, run name, or last.", show_default=False)
]
DataOptions = Annotated[DataConfig, _options("Data", 1)]
ModelOptions = Annotated[_Model, _options("Model", 2)]
OptimOptions = Annotated[OptimConfig, _options("Training", 3)]
CheckpointsOption = Annotated[
    int | tuple[int, ...] | None, _list(read_checkpoints), Parameter(show_default=False)
]
NamesOption = Annotated[tuple[str, ...], _list(read_names), Parameter(show_default=False)]
MeasureOptions = Annotated[_Measures, _options("Measures", 4)]
HowOptions = Annotated[_How, _options("Measures", 4)]
StoreOptions = Annotated[StoreConfig, _options("Tracking", 5)]


def given_pairs(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the settings in `--name value`, `--name=value`, `--flag` and `--no-flag`, as text.

    Raises:
        UserError: the words are written in another way.
    """
    rest = list(words)
    while rest:
        option = rest.pop(0)
        if not option.startswith("--") or len(option) < 4:
            raise UserError(f"{option}: write settings as --name value or --name a,b,c")
        option, equals, value = option[2:].partition("=")
        name = option.replace("-", "_")
        if equals:
            yield name, value
        elif rest and not rest[0].startswith("--"):
            yield name, rest.pop(0)
        elif name.startswith("no_"):
            yield name.removeprefix("no_"), "false"
        else:
            yield name, "true"
