"""A grid of runs: settings with one or more values each, and the runs that they span."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from repdyn.errors import SettingError, UserError, nearest
from repdyn.settings.defaults import check_given
from repdyn.settings.schema import TrainConfig
from repdyn.settings.text import LISTS, UNSET, from_settings
from repdyn.settings.yaml_file import read_yaml

PRESETS = Path(__file__).with_name("presets")

SEED, SEEDS, DATA_SEED = "seed", "seeds", "data_seed"

AS_SEED = "seed"
"""The data seed in a sweep's params if nothing sets it: each run uses its seed."""

WHERE, SET = "where", "set"
"""Keys of a file: settings for only those runs that match a rule."""

MOST_RUNS = 10_000
"""In a sweep."""

_DIGITS = 9
"""Maximum digits read of a number of seeds: the file is untrusted."""

PLACES = frozenset(
    {
        "data_dir",
        "device",
        "compile",
        "keep_checkpoints",
        "on_nan",
        "save_every",
        "figures",
        "log_models",
    }
)
"""Settings that say where and how a run is computed, not what is computed."""

BESIDES = PLACES | {"similarity", "neighbours"}
"""Settings that change none of the numbers by which runs are compared."""

LR_FACTOR = "lr_factor"

ADDED = frozenset({"plane_kinds", "eps", "warmup_epochs", "drs_grid", LR_FACTOR})
"""Settings that earlier runs lack: unset, they are no part of a point, so that those keep theirs."""

_WHOLE = LISTS | {"layers", "data_dir"}
"""Settings whose values may contain commas, which do not separate runs."""

Value = str | list[str]
Values = tuple[Value, ...]


@dataclass(frozen=True)
class Rule:
    """Settings for the runs in which other settings have certain values.

    Attributes:
        where: the values that a run must have, by setting.
        settings: what such a run then uses.
    """

    where: Mapping[str, Value]
    settings: Mapping[str, Value]


@dataclass(frozen=True)
class Grid:
    """The runs of a sweep.

    Attributes:
        stem: default name of the sweep, without the digest.
        settings: the values of each setting that is given, by its name in TrainConfig.
        rules: settings of some of the runs; those in `settings` take precedence.
        one_data_seed: runs whose data seed is not set use the default one instead of their seed.
            Earlier versions did this for all sweeps; a sweep started that way continues so.
    """

    stem: str
    settings: Mapping[str, Values]
    rules: tuple[Rule, ...] = ()
    one_data_seed: bool = False

    def runs(self) -> list[TrainConfig]:
        """Return a configuration for each combination of values; seeds change last.

        Thus a sweep that is stopped halfway has compared everything for its first seeds.

        Raises:
            UserError: a value is invalid for its setting, two settings exclude each other, or there are more than MOST_RUNS.
        """
        count = math.prod(map(len, self.settings.values()))
        if count > MOST_RUNS:
            raise UserError(f"the grid has {count:,} runs; a sweep can have at most {MOST_RUNS:,}")
        names = sorted(self.settings, key=lambda name: name != SEED)
        combinations = itertools.product(*(self.settings[name] for name in names))
        configs = [
            from_settings(self._ruled(dict(zip(names, one, strict=True)))) for one in combinations
        ]
        for config in configs:
            check_given(config)
        return configs

    def _ruled(self, run: dict[str, Value]) -> dict[str, Value]:
        """Return a run's settings with those that rules give it, and its seed as its data seed."""
        fitting = [r for r in self.rules if r.where.items() <= run.items()]
        given: dict[str, Value] = {}
        for rule in fitting:
            given |= rule.settings
        given |= run
        if SEED in given and not self.one_data_seed:
            given.setdefault(DATA_SEED, given[SEED])
        return given

    @property
    def name(self) -> str:
        """The sweep's name: its stem, and a digest of all settings but the seeds.

        The same grid always has the same name, also with more seeds than before.
        """
        return f"{self.stem}-{self.digest[:6]}"

    @property
    def digest(self) -> str:
        """Hexadecimal digest of all settings but the seeds."""
        fixed = {name: values for name, values in self.settings.items() if name != SEED}
        rules = [[dict(rule.where), dict(rule.settings)] for rule in self.rules]
        return digest([fixed, rules] if rules else fixed)

    def varied(self) -> list[str]:
        """Return the settings with several values."""
        return [name for name, values in self.settings.items() if len(values) > 1]

    def params(self) -> dict[str, str]:
        """Return the settings as comma-separated text, and how the data seed is set."""
        given = {name: ",".join(map(_text, values)) for name, values in self.settings.items()}
        return given if self.one_data_seed else {DATA_SEED: AS_SEED} | given


def make_grid(
    given: Iterable[tuple[str, str]],
    *,
    preset: str | None,
    file: Path | None,
    seeds: int | None,
) -> Grid:
    """Build a grid from a preset or a file, and settings that take precedence over it.

    Args:
        given: names of settings, each with one or more comma-separated values: (lr, 0.1,0.01).
        preset: name of one of PRESETS.
        file: YAML of `name: value` and `name: [value, value]`, `seeds: n`, and under `where` a
            list of rules such as `{opt: adam, set: {lr: 0.001}}`.
        seeds: how many, starting at 0; each is also the data seed unless that is set.

    Raises:
        UserError: there is no such setting, preset or file.
    """
    if preset is not None and file is not None:
        raise UserError("`preset` and `config`: give only one")
    settings: dict[str, Values] = {}
    rules: tuple[Rule, ...] = ()
    if preset is not None:
        file = _preset(preset)
    if file is not None:
        content = read_yaml(file)
        rules = tuple(map(_rule, _list(content.pop(WHERE, []))))
        settings = _of_file(content)
    settings |= _of_pairs(given)
    if seeds is not None:
        settings[SEED] = _seeds(seeds)
    for names in (settings, *(part for rule in rules for part in (rule.where, rule.settings))):
        _check_names(names)
    _check_values(settings)
    return Grid("sweep" if file is None else file.stem, settings, rules)


def digest(value: Any) -> str:
    """Return a hexadecimal digest of a JSON value."""
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def point(config: TrainConfig) -> str:
    """Return a digest of what a configuration computes, wherever it runs.

    A factor of the learning rate is not part of it: the rate that it gives is.
    """
    return digest(
        {
            name: value
            for name, value in config.params().items()
            if name not in BESIDES | {LR_FACTOR} and not (name in ADDED and value == UNSET)
        }
    )


def compared_params(params: Mapping[str, str]) -> dict[str, str]:
    """Return the params by which runs are compared: two that agree in them compute the same.

    One without a value has no effect, and is left out, as a run may not have it at all.
    """
    return {
        name: value
        for name, value in params.items()
        if name not in BESIDES and value not in ("", UNSET)
    }


def _preset(name: str) -> Path:
    names = sorted(path.stem for path in PRESETS.glob("*.yaml"))
    if name not in names:
        raise SettingError(
            "preset", name, f"there is no such preset; choose from {', '.join(names)}"
        )
    return PRESETS / f"{name}.yaml"


def _rule(given: object) -> Rule:
    if not isinstance(given, dict) or not isinstance(given.get(SET), dict):
        raise UserError(f"{WHERE}: {given}: write rules as {{opt: adam, set: {{lr: 0.001}}}}")
    where = {str(name): _item(value) for name, value in given.items() if name != SET}
    return Rule(where, {str(name): _item(value) for name, value in given[SET].items()})


def _list(given: object) -> list[object]:
    return given if isinstance(given, list) else [given]


def _of_file(given: dict[str, Any]) -> dict[str, Values]:
    settings: dict[str, Values] = {}
    if SEEDS in given:
        settings[SEED] = _seeds(given.pop(SEEDS))
    for name, value in given.items():
        several = isinstance(value, list) and name not in LISTS
        settings[name] = _distinct(map(_item, value) if several else [_item(value)])
    return settings


def _item(value: object) -> Value:
    return [str(part) for part in value] if isinstance(value, list) else str(value)


def _seeds(count: object) -> Values:
    digits = str(count)
    if not (digits.isdecimal() and len(digits) <= _DIGITS and 1 <= int(digits) <= MOST_RUNS):
        raise SettingError("seeds", digits[:20], f"must be at least 1 and at most {MOST_RUNS:,}")
    return tuple(str(seed) for seed in range(int(digits)))


def _of_pairs(given: Iterable[tuple[str, str]]) -> dict[str, Values]:
    settings: dict[str, Values] = {}
    for name, value in given:
        if name in LISTS:
            before = settings.get(name, ([],))[0]
            settings[name] = ([*before, value],)
        else:
            settings[name] = _distinct([value] if name in _WHOLE else value.split(","))
    return settings


def _distinct(values: Any) -> Values:
    kept: list[str | list[str]] = []
    for value in values:
        if value not in kept:
            kept.append(value)
    return tuple(kept)


def _check_names(names: Iterable[str]) -> None:
    known = [name for name, _ in TrainConfig().settings()]
    for name in names:
        if name not in known:
            raise SettingError(
                name, None, f"repdyn train has no such setting{nearest(name, known)}"
            )


def _check_values(settings: Mapping[str, Values]) -> None:
    for name, values in settings.items():
        if not values or "" in values:
            raise SettingError(name, None, "a value is missing; separate values with commas: a,b,c")


def _text(value: str | list[str]) -> str:
    return " ".join(value) if isinstance(value, list) else value
