"""Settings from text: values of YAML files, sweep grids and MLflow's params."""

from __future__ import annotations

import dataclasses
import difflib
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from repdyn.errors import SettingError, UserError
from repdyn.plane_kinds import PLANE_KINDS
from repdyn.settings.schema import TrainConfig


def read_checkpoints(texts: Sequence[str]) -> int | tuple[int, ...]:
    """Read a number, or comma-separated epochs; a YAML list comes as one text per epoch.

    Raises:
        SettingError: there is something else, or nothing.
    """
    words = _split(texts)
    try:
        epochs = tuple(int(word) for word in words)
    except ValueError:
        epochs = ()
    if not epochs:
        said = " ".join(words) or None
        advice = "give a number, or a list of epochs such as 0,1,10"
        raise SettingError("checkpoints", said, advice)
    listed = len(epochs) > 1 or any("," in text for text in texts)
    return epochs if listed else epochs[0]


def read_names(texts: Sequence[str]) -> tuple[str, ...]:
    """Read comma-separated names; a YAML list comes as one text per name."""
    return tuple(dict.fromkeys(_split(texts)))


def read_plane_kinds(texts: Sequence[str]) -> tuple[str, ...]:
    """Read comma-separated kinds of planes; their order, which has no effect, becomes a fixed one."""
    names = read_names(texts)
    unknown = [name for name in names if name not in PLANE_KINDS]
    return (*(kind for kind in PLANE_KINDS if kind in names), *unknown)


def _split(texts: Sequence[str]) -> list[str]:
    return [word for text in texts for word in text.replace(",", " ").split()]


_LIST_READERS: Mapping[str, Callable[[Sequence[str]], Any]] = {
    "arch_arg": tuple,
    "checkpoints": read_checkpoints,
    "plane_kinds": read_plane_kinds,
    "similarity": read_names,
}
LISTS = frozenset(_LIST_READERS)
"""Settings whose value is a list."""

UNSET = str(None)
"""Param of a setting without a value."""

_PARTS: Mapping[str, type] = get_type_hints(TrainConfig)
_HINTS: Mapping[str, Any] = {
    name: hint for part in _PARTS.values() for name, hint in get_type_hints(part).items()
}

_MOST_DIGITS = 25
"""Of a number."""

_MOST_CHARACTERS = 600
"""In a message: it repeats the value, which in an untrusted run may be of any length."""


def from_settings(settings: Mapping[str, str | list[str]]) -> TrainConfig:
    """Return the configuration with these settings, given as in a YAML file.

    Raises:
        UserError: there is no such setting, or a value is invalid for it.
    """
    for name in settings:
        if name not in _HINTS:
            raise UserError(f'Unknown option: "[{name}]" from settings.')
    parts = {}
    for group, part in _PARTS.items():
        names = [f.name for f in dataclasses.fields(part) if f.name in settings]
        parts[group] = part(**{name: _value(name, settings[name]) for name in names})
    return TrainConfig(**parts)


def from_params(params: Mapping[str, str]) -> TrainConfig:
    """Return the configuration that `TrainConfig.params` wrote.

    Raises:
        UserError: a value is invalid for its setting. Params of other names are ignored.
    """
    given: dict[str, str | list[str]] = {}
    for part in _PARTS.values():
        given |= given_settings(params, part)
    return from_settings(given)


def given_settings(params: Mapping[str, str], part: type) -> dict[str, str | list[str]]:
    """Return the settings of one dataclass among MLflow's params, as a YAML file would give them.

    Raises:
        UserError: a list is malformed.
    """
    names = [f.name for f in dataclasses.fields(part) if params.get(f.name, UNSET) != UNSET]
    return {n: _words(n, params[n]) if n in LISTS else params[n] for n in names}


def param_value(name: str, text: str) -> Any:
    """Return the value of one of MLflow's params, of its setting's type.

    The param of another program, or one that is invalid for its setting, is read as Python would have
    written it: as a number, True, False or None if its text is exactly that, else as text.
    """
    if text == UNSET:
        return None
    if name in _HINTS:
        with suppress(UserError):
            return _value(name, _words(name, text) if name in LISTS else text)
    if text in ("True", "False"):
        return text == "True"
    for kind in (int, float):
        with suppress(ValueError):
            if len(text) <= _MOST_DIGITS and repr(kind(text)) == text:
                return kind(text)
    return text


def _words(name: str, text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:  # an unclosed quotation mark
        raise SettingError(name, text[:100], str(error)) from None


def _value(name: str, given: str | list[str]) -> Any:
    """Return the value of a setting; the same text gives the same value on the command line.

    Raises:
        UserError: the text has none.
    """
    if name in LISTS:
        return _LIST_READERS[name]([given] if isinstance(given, str) else given)
    hint = _HINTS[name]
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if isinstance(given, str):
        for kind in kinds:
            with suppress(ValueError, OverflowError):
                return _read(kind, given)
    raise UserError(_message(name, [kind for kind in kinds if kind is not NoneType], given))


def _read(kind: Any, text: str) -> Any:
    """Return a text as a value of a type, by the rules of cyclopts.

    Raises:
        ValueError, OverflowError: it is not one.
    """
    if not _is_literal(kind):
        return _READERS.get(kind, kind)(text)
    if text not in get_args(kind):
        raise ValueError(text)
    return text


def _is_literal(kind: Any) -> bool:
    return get_origin(kind) is Literal


def _bool(text: str) -> bool:
    word = text.lower()
    if word not in _TRUE | _FALSE:
        raise ValueError(text)
    return word in _TRUE


_TRUE = frozenset({"yes", "y", "1", "true", "t"})
_FALSE = frozenset({"no", "n", "0", "false", "f"})


def _int(text: str) -> int:
    with suppress(ValueError):
        return int(text)
    return round(float(text)) if "." in text else int(text, 0)


def _none(text: str) -> None:
    if text.lower() not in ("none", "null"):
        raise ValueError(text)


_READERS: Mapping[Any, Callable[[str], Any]] = {bool: _bool, int: _int, NoneType: _none}


def _message(name: str, kinds: Sequence[Any], given: str | list[str]) -> str:
    """Return the message for a value of the wrong type, shortened."""
    text = given if isinstance(given, str) else json.dumps(given)
    if len(kinds) == 1 and _is_literal(kinds[0]):
        choices = get_args(kinds[0])
        listed = ", ".join(f'"{choice}"' for choice in choices)
        message = f'Invalid value "{text}" for [{name}] from settings. Choose from: {listed}.'
        if near := difflib.get_close_matches(text, choices, n=1):
            message += f' Did you mean "{near[0]}"?'
    else:
        into = "|".join(map(_kind_name, kinds))
        message = (
            f'Invalid value for [{name}] from settings: unable to convert "{text}" into {into}.'
        )
    message = " ".join(message.split())
    return message if len(message) < _MOST_CHARACTERS else f"{message[:300]} … {message[-150:]}"


def _kind_name(kind: Any) -> str:
    return f"Literal[{', '.join(get_args(kind))}]" if _is_literal(kind) else kind.__name__
