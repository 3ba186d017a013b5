"""Steps from the names of checkpoints: files, or the revisions of a repository."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from repdyn.errors import UserError

EXTENSIONS = (".pth.tar", ".safetensors", ".pt", ".pth", ".bin", ".ckpt")

INDEX = ".index.json"
"""What Hugging Face appends to the name of sharded weights for their index."""

MOST_STEP = 2**63 - 1
"""MLflow's steps are signed integers of 64 bits."""

GROUP = r"(?P<step>\d+)"

_THOUSANDS = {"": 1, "k": 1_000, "m": 1_000_000}
_WHOLE = r"([0-9]+)(?:([km])(?![a-z]))?(?![0-9]|\.[0-9]|e[-+]?[0-9])"
_STEP = re.compile(rf"(?:step|iteration|iter|update)s?[-_=. ]?{_WHOLE}")
_EPOCH = re.compile(rf"(?:epoch|(?<![a-z0-9])ep?)s?[-_=. ]?{_WHOLE}")
_ANY = re.compile(rf"(?<![0-9])(?<![0-9]\.)(?<![0-9]e)(?<![0-9]e[-+]){_WHOLE}")
_UNIT = re.compile(r"(step|iter|update)|epoch|(?<![a-z0-9])ep?(?![a-z])")
_NUMBER = re.compile(r"(?:(?<==)-)?[0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]+|[km](?![a-z]))?")
_WITHIN_EPOCH = re.compile(r"(?:^|/)recovery-[0-9]+-[0-9]+$")
"""What timm saves to recover from a crash: epoch and batch."""

_SHOWN = 4


@dataclass(frozen=True)
class Numbered:
    """Names with a step.

    Args:
        by_step: the name of each step, in order of the steps.
        unit: of the steps, None if the names do not tell.
        skipped: names that are not checkpoints of a numbered step.
    """

    by_step: dict[int, str]
    unit: str | None
    skipped: tuple[str, ...]


def step_in(name: str) -> tuple[int, str | None] | None:
    """Return the step that a name states, and its unit where it says it; None without a number.

    The number after `step` or `iter` comes first, then that after `epoch`, then the last whole
    number: `epoch=3-step=400` is step 400, `checkpoint-500/model.safetensors` is 500. `10k` is 10000.
    """
    text = without_extension(name).lower()
    for pattern, unit in ((_STEP, "step"), (_EPOCH, "epoch"), (_ANY, None)):
        found = pattern.findall(text)
        if found:
            digits, suffix = found[-1]
            return int(digits) * _THOUSANDS[suffix], unit or _last_unit(text)
    return None


def without_extension(name: str) -> str:
    """Return a name without the extension of a checkpoint file."""
    name = name.removesuffix(INDEX)
    ending = next((one for one in EXTENSIONS if name.lower().endswith(one)), "")
    return name[: len(name) - len(ending)]


def number(names: Sequence[str], pattern: str | None, place: str) -> Numbered:
    r"""Find the step of each name.

    Args:
        names: relative paths with `/`, or revisions.
        pattern: a glob that selects names, or a regular expression with a group `(?P<step>\d+)`,
            which also says where the step is. None selects the names that differ in their numbers
            alone, and leaves out single others, such as `resnet18_best.pth`.
        place: where they are, for messages.

    Raises:
        UserError: no name matches or has a number, two have the same step, names are of several
            kinds, or the pattern is invalid.
    """
    steps = _steps(names, pattern, place)
    if pattern is None:
        complete = [name for name in steps if not _WITHIN_EPOCH.search(without_extension(name))]
        kind = _only_kind(complete or [*steps], place)
        steps = {name: step for name, step in steps.items() if _kind(name) == kind}
    by_step: dict[int, str] = {}
    for name, (step, _) in sorted(steps.items(), key=lambda item: (item[1][0], item[0])):
        if step > MOST_STEP:
            raise UserError(f"{place}: {name}: the step {step} is too large; correct it by pattern")
        if step in by_step:
            raise UserError(
                f"{place}: {by_step[step]} and {name} both are step {step}; select one by pattern"
            )
        by_step[step] = name
    units = {unit for _, unit in steps.values()}
    return Numbered(
        by_step,
        units.pop() if len(units) == 1 else None,
        tuple(name for name in names if name not in steps),
    )


def _steps(
    names: Sequence[str], pattern: str | None, place: str
) -> dict[str, tuple[int, str | None]]:
    """Return the step and its unit of each name that a pattern selects and that has one."""
    expression = _expression(pattern)
    if expression is not None:
        matched = [name for name in names if expression.search(name)]
        steps = {name: _captured(expression, name) for name in matched}
    else:
        matched = [name for name in names if pattern is None or _globbed(pattern, name)]
        found = {name: step_in(name) for name in matched}
        steps = {name: step for name, step in found.items() if step is not None}
    if not matched:
        seen = f"names there: {shown(names)}" if names else "it is empty"
        raise UserError(f"{place}: no name matches {pattern}; {seen}")
    if not steps:
        raise UserError(
            f"{place}: no number in the names {shown(matched)}; "
            f"steps are read from names, such as step100.pt, or with pattern='…{GROUP}…'"
        )
    return steps


def shown(names: Sequence[str]) -> str:
    """Return the first few names for a message, with how many there are more."""
    first = ", ".join(names[:_SHOWN])
    # names in damaged files may break lines or steer terminals
    listed = "".join(char if char.isprintable() else "?" for char in first)
    return f"{listed} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else listed


def _expression(pattern: str | None) -> re.Pattern[str] | None:
    """Return the pattern if it is a regular expression, None if it is a glob."""
    if pattern is None or not ("(?" in pattern or "\\" in pattern):
        return None
    try:
        expression = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise UserError(f"pattern {pattern}: invalid regular expression ({error})") from None
    if "step" not in expression.groupindex:
        raise UserError(f"pattern {pattern}: has no group named step; write {GROUP}")
    return expression


def _captured(expression: re.Pattern[str], name: str) -> tuple[int, str | None]:
    found = expression.search(name)
    text = found["step"] if found else None
    if found is None or text is None or not re.fullmatch("[0-9]+", text):
        raise UserError(
            f"pattern {expression.pattern}: its group step is {text!r} in {name}, no whole number"
        )
    return int(text), _last_unit(name[: found.start("step")].lower())


def _globbed(pattern: str, name: str) -> bool:
    """Return whether a glob matches a path, one of its folders, or its last part."""
    path = PurePosixPath(name)
    ways = (name, path.name, *(str(folder) for folder in path.parents))
    return any(fnmatchcase(way, pattern) for way in ways)


def _last_unit(text: str) -> str | None:
    found = _UNIT.findall(text)
    if not found:
        return None
    return "step" if found[-1] else "epoch"


def _kind(name: str) -> str:
    """Return a name with # for each number: names of one kind differ in their numbers alone."""
    return _NUMBER.sub("#", without_extension(name).lower())


def _only_kind(names: Sequence[str], place: str) -> str:
    kinds = Counter(map(_kind, names))
    several = [kind for kind, count in kinds.items() if count > 1] if len(kinds) > 1 else [*kinds]
    if len(several) != 1:
        listed = shown([f"{kind} ({count})" for kind, count in kinds.most_common()])
        raise UserError(f"{place}: holds checkpoints of several kinds, {listed}; select by pattern")
    return several[0]
