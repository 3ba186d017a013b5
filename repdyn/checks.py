"""Checks of settings' values, each with its message."""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from repdyn.errors import SettingError, UserError
from repdyn.plane_kinds import PLANE_KINDS

MOST_CHECKPOINTS = 20_000
"""Checkpoints per run: with more, a reader would report the files as damaged."""

MOST_CHARACTERS = 1000
"""In a text setting: anything longer is not a name, path or pattern, and slow to process."""

MOST_EXPERIMENT_CHARACTERS = 500
MOST_RUN_CHARACTERS = 250
"""In the names of experiments and runs: the limits of MLflow's tables."""

SMALLEST, LARGEST = 2.0**-126, (2 - 2.0**-23) * 2.0**127
"""Range of float32's normal numbers, the type in which torch receives a setting."""

RESERVED_ARGUMENTS = frozenset(
    {
        "cache_dir",
        "checkpoint_path",
        "device",
        "dtype",
        "exportable",
        "feature_cfg",
        "feature_cls",
        "features_only",
        "in_chans",
        "kwargs_filter",
        "model_cfg",
        "model_cls",
        "model_name",
        "no_jit",
        "num_classes",
        "out_indices",
        "pruned",
        "scriptable",
        "variant",
    }
)
"""timm arguments that a run may not set: runs are untrusted, and these read files, use the network
or override what repdyn sets itself. The same holds for every name that starts with `pretrained`."""


def check(config: object, name: str, holds: Callable[[Any], bool], must: str) -> None:
    """Raise a SettingError if a given value is invalid."""
    value = getattr(config, name)
    if value is not None and not holds(value):
        raise SettingError(name, value, f"must be {must}")


def check_count(config: object, name: str, least: int, most: int) -> None:
    """Raise a SettingError if a given number is out of bounds."""
    must = f"at least {least} and at most {most:,}"
    check(config, name, lambda n: least <= n <= most, must)


def check_storable(config: Any) -> None:
    """Raise a SettingError if a setting, of any type, cannot be stored or computed with.

    Text must be short and without control characters; a float must be representable in float32.
    """
    for setting in dataclasses.fields(config):
        value = getattr(config, setting.name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, str | Path):
                check_setting_text(setting.name, str(part), MOST_CHARACTERS)
            elif isinstance(part, float) and part and not SMALLEST <= abs(part) <= LARGEST:
                bounds = f"from {SMALLEST:.2g} to {LARGEST:.2g}"
                raise SettingError(
                    setting.name, part, f"must be representable in float32, {bounds}"
                )


def check_setting_text(name: str, text: str, most: int) -> None:
    """Raise a SettingError if the text of a setting cannot be stored; see check_text."""
    if fault := _fault(text, most):
        raise SettingError(name, None, fault)


def check_text(what: str, text: str, most: int) -> None:
    """Check text that is to be stored.

    Args:
        what: what the text is, for the message.
        text: to check.
        most: maximum number of characters.

    Raises:
        UserError: it is too long, has control characters or is not Unicode.
    """
    if fault := _fault(text, most):
        raise UserError(f"{what}: {fault}")


def _fault(text: str, most: int) -> str | None:
    if len(text) > most:
        return f"{len(text):,} characters; give at most {most:,}"
    strange = next((c for c in text if unicodedata.category(c) in ("Cc", "Cs")), None)
    if strange is not None:
        return f"contains the non-printable character U+{ord(strange):04X}; remove it"
    return None


def check_argument(text: str) -> None:
    """Raise a SettingError if a key=value argument for timm is malformed or not allowed."""
    key, equals, _ = text.partition("=")
    if not equals or not key.isidentifier() or not key.isascii():
        raise SettingError("arch_arg", text, "write key=value, for example depth=6")
    if key in RESERVED_ARGUMENTS or key.startswith("pretrained"):
        raise SettingError(
            "arch_arg", text, f"repdyn sets {key} itself or does not allow it; remove it"
        )


def check_plane_kinds(kinds: Sequence[str] | None) -> None:
    """Raise a SettingError if there is no kind of plane, or one that does not exist."""
    listed = ", ".join(PLANE_KINDS)
    if kinds is not None and not kinds:
        raise SettingError("plane_kinds", None, f"give at least one of {listed}")
    for kind in kinds or ():
        if kind not in PLANE_KINDS:
            raise SettingError("plane_kinds", kind, f"unknown kind of plane; choose from {listed}")


def check_checkpoints(checkpoints: int | tuple[int, ...] | None) -> None:
    """Raise a SettingError if there are too few or too many checkpoints, or negative epochs."""
    match checkpoints:
        case int(n) if n < 2:
            raise SettingError("checkpoints", n, "must be at least 2, the first and the last epoch")
        case int(n) if n > MOST_CHECKPOINTS:
            raise SettingError("checkpoints", n, f"must be at most {MOST_CHECKPOINTS:,}")
        case tuple(epochs) if any(e < 0 for e in epochs):
            raise SettingError("checkpoints", min(epochs), "epochs start at 0")
        case tuple(epochs) if len(epochs) > MOST_CHECKPOINTS:
            raise SettingError(
                "checkpoints", None, f"{len(epochs):,} epochs; give at most {MOST_CHECKPOINTS:,}"
            )
