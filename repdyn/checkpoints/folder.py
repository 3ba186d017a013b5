"""The checkpoints in a folder, as Lightning, Hugging Face, timm or a loop of your own save them."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from repdyn.checkpoints.curves import (
    SUMMARY,
    TRAINER_STATE,
    Metrics,
    read_summary,
    read_trainer_state,
)
from repdyn.checkpoints.names import EXTENSIONS, INDEX, number, shown
from repdyn.checkpoints.source import Checkpoint, CheckpointSource
from repdyn.checkpoints.weights_file import read_weights
from repdyn.errors import UserError

WHOLE_MODEL = (
    "model.safetensors",
    f"model.safetensors{INDEX}",
    "pytorch_model.bin",
    f"pytorch_model.bin{INDEX}",
)
"""Hugging Face's names of a model's weights, in order of preference."""

DEPTH = 2
"""How many folders deep checkpoints are searched for: `checkpoint-500/unsharded/model.pt`."""

_NO_WEIGHTS = re.compile(
    r"-\d{5}-of-\d{5}\.|optim_states\.pt$"
    r"|^(?:optim|optimizer|scheduler|scaler|sampler|rng_state|random_states|training_args)"
    r"(?:[_-]?\d+)?(?:_rank_?\d+)?\."
)
"""Files beside the weights: shards, which the index lists, and what resuming needs."""


def from_folder(
    path: str | Path,
    pattern: str | None = None,
    *,
    key: str | None = None,
    strip_prefix: str | None = None,
    unit: str | None = None,
) -> CheckpointSource:
    r"""Find the checkpoints in a folder: files .pt .pth .bin .pth.tar .ckpt .safetensors.

    Steps are read from the names: the number after `step`, else after `epoch`, else the last whole
    number. Names without a number are skipped: `last.ckpt`, `model_best.pth.tar`. Numbers are kept
    as they are: Lightning and timm count epochs from 0, so that epoch 0 is after the first.

    Files are opened when the source is iterated; nothing in them is unpickled.

    Args:
        path: of the folder.
        pattern: selects among the relative paths: a glob, or a regular expression that finds the
            step in a group `(?P<step>\d+)`. None takes all, if they differ in their numbers alone.
        key: where the weights are in a file, such as `state_dict`, or `ema.model` for nested ones;
            None finds them.
        strip_prefix: removed from the weights' names; names without it are left out. None removes
            `module.` and `_orig_mod.` if all names have it.
        unit: of the steps; None takes it from the names, and is `step` where they do not tell.

    Raises:
        UserError: no such folder, no checkpoints in it, two of the same step, or an invalid pattern.
    """
    folder = Path(path).expanduser()
    files = _files(folder)
    if not files:
        names = sorted(entry.name for entry in folder.iterdir())
        seen = f"it holds {shown(names)}" if names else "it is empty"
        raise UserError(f"{folder}: has no checkpoints ({' '.join(EXTENSIONS)}); {seen}")
    found = number(files, pattern, str(folder))

    def read(steps: Sequence[int]) -> Iterator[Checkpoint]:
        for step in steps:
            name = found.by_step[step]
            # no name is bound to the weights, so that they are freed before the next are read
            yield Checkpoint(
                step, read_weights(folder / name, key=key, strip_prefix=strip_prefix), name
            )

    skipped = f", skipped {shown(found.skipped)}" if found.skipped else ""
    return CheckpointSource(
        tuple(found.by_step),
        unit or found.unit or _usual_unit([*found.by_step.values()]),
        f"{folder.absolute()}{skipped}",
        read,
        _metrics(folder, found.by_step),
    )


def whole_model(names: Collection[str]) -> str | None:
    """Return which of the files of a folder holds the weights, by Hugging Face's names."""
    return next((name for name in WHOLE_MODEL if name in names), None)


def _files(folder: Path) -> list[str]:
    """Return the relative paths of files that may be checkpoints, sorted."""
    if not folder.exists():
        raise UserError(f"{folder}: there is no such folder")
    if not folder.is_dir():
        raise UserError(f"{folder}: is a file; give the folder of the checkpoints")
    try:
        return sorted(_search(folder, "", DEPTH))
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror or error})") from None


def _search(folder: Path, above: str, depth: int) -> Iterator[str]:
    with os.scandir(folder) as entries:
        # other names break messages
        is_folder = {one.name: one.is_dir() for one in entries if one.name.isprintable()}
    files = [name for name, folder_too in is_folder.items() if not folder_too]
    whole = whole_model(files)
    if whole is not None:
        yield above + whole
    for name in files:
        lower = name.lower()
        if lower.endswith(EXTENSIONS) and not (name in WHOLE_MODEL or _NO_WEIGHTS.search(lower)):
            yield above + name
    for name, is_one in is_folder.items():
        if is_one and depth and not name.startswith(".") and not _leads_back(folder, name):
            yield from _search(folder / name, f"{above}{name}/", depth - 1)


def _leads_back(folder: Path, name: str) -> bool:
    """Return whether an entry is a link to the folder itself or one that contains it."""
    return folder.resolve().is_relative_to((folder / name).resolve())


def _usual_unit(names: Sequence[str]) -> str:
    """Return the unit of names that do not tell it: timm's are epochs."""
    return "epoch" if all(name.endswith(".pth.tar") for name in names) else "step"


def _metrics(folder: Path, by_step: Mapping[int, str]) -> Metrics:
    """Read the curves of timm's summary, or of Trainer's most recent state."""
    if (folder / SUMMARY).exists():
        return read_summary(folder / SUMMARY)
    last = folder / by_step[max(by_step)]
    for home in (folder, last.parent):
        if (home / TRAINER_STATE).exists():
            return read_trainer_state(home / TRAINER_STATE)
    return {}
