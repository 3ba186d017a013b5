"""Grids: which runs settings with several values span."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from repdyn.cli.options import given_pairs
from repdyn.errors import UserError
from repdyn.settings.defaults import resolved
from repdyn.settings.schema import MeasureConfig, TrainConfig
from repdyn.settings.sweep_grid import (
    ADDED,
    BESIDES,
    PRESETS,
    Grid,
    compared_params,
    digest,
    make_grid,
    point,
)
from repdyn.settings.text import UNSET


def grid(
    *options: str, preset: str | None = None, file: Path | None = None, seeds: int | None = None
) -> Grid:
    return make_grid(given_pairs(options), preset=preset, file=file, seeds=seeds)


def test_every_combination_of_values_is_one_run() -> None:
    runs = grid("--arch", "resnet18,resnet34", "--opt", "sgd,adam", "--lr=0.1,0.2", seeds=3).runs()
    found = {(r.model.arch, r.optim.opt, r.optim.lr, r.optim.seed) for r in runs}
    assert len(runs) == len(found) == 2 * 2 * 2 * 3


def test_seeds_change_last_so_that_half_a_sweep_compares_everything() -> None:
    runs = grid("--opt", "sgd,adam", seeds=2).runs()
    assert [(r.optim.seed, r.optim.opt) for r in runs] == [
        (0, "sgd"),
        (0, "adam"),
        (1, "sgd"),
        (1, "adam"),
    ]


@pytest.mark.parametrize("by", ["--seeds", "--seed", "rule"])
def test_the_data_seed_goes_with_the_seed(by: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "opt: [sgd, adam]\nwhere: [{opt: sgd, set: {seed: 5}}, {opt: adam, set: {seed: 6}}]\n"
    )
    made = {
        "--seeds": lambda: grid("--opt", "sgd", seeds=3),
        "--seed": lambda: grid("--seed", "4,7"),
        "rule": lambda: grid(file=tmp_path / "mine.yaml"),
    }[by]()
    runs = made.runs()
    assert len(runs) > 1
    assert [run.data.data_seed for run in runs] == [run.optim.seed for run in runs]


def test_runs_of_a_pair_share_their_data() -> None:
    runs = grid(preset="digits").runs()
    by_seed: dict[int, set[int]] = {}
    for run in runs:
        by_seed.setdefault(run.optim.seed, set()).add(run.data.data_seed)
    assert by_seed == {seed: {seed} for seed in range(6)}


@pytest.mark.parametrize("how", ["option", "file", "rule"])
def test_a_data_seed_that_is_given_holds(how: str, tmp_path: Path) -> None:
    text = {
        "option": "opt: sgd",
        "file": "data_seed: 9",
        "rule": "opt: sgd\nwhere: [{opt: sgd, set: {data_seed: 9}}]",
    }
    (tmp_path / "mine.yaml").write_text(f"seeds: 3\n{text[how]}\n")
    options = ("--data-seed", "9") if how == "option" else ()
    runs = grid(*options, file=tmp_path / "mine.yaml").runs()
    assert {run.data.data_seed for run in runs} == {9}


def test_without_a_seed_the_data_seed_is_the_default() -> None:
    (run,) = grid("--opt", "sgd").runs()
    assert (run.optim.seed, run.data.data_seed) == (0, 0)


def test_a_grid_of_one_data_seed_has_the_points_of_the_runs_before() -> None:
    old = replace(grid("--opt", "sgd,adam", seeds=3), one_data_seed=True)
    fixed = grid("--opt", "sgd,adam", "--data-seed", "0", seeds=3)
    assert [*map(point, old.runs())] == [*map(point, fixed.runs())]
    assert old.digest == grid("--opt", "sgd,adam", seeds=3).digest
    assert "data_seed" not in old.params()


def test_the_params_of_a_sweep_tell_where_its_data_seeds_come_from() -> None:
    assert grid("--opt", "sgd", seeds=2).params()["data_seed"] == "seed"
    assert grid("--data-seed", "3", seeds=2).params()["data_seed"] == "3"


def test_factors_of_the_learning_rate_cross_with_optimizers() -> None:
    runs = grid("--lr-factor", "0.1,0.3,1,3", "--opt", "sgd,adam").runs()
    assert [(r.optim.lr_factor, r.optim.opt) for r in runs] == [
        (factor, opt) for factor in (0.1, 0.3, 1, 3) for opt in ("sgd", "adam")
    ]


def test_a_factor_of_1_is_the_run_at_the_default_rate() -> None:
    """Runs of former sweeps, which have no such setting, count as finished."""
    (plain,), (one,), (other,) = (
        grid(*given).runs() for given in (("--opt", "sgd"), ("--lr-factor", "1"), ("--lr", "0.5"))
    )
    resolved_ones = [point(resolved(run, "resnet")[0]) for run in (plain, one, other)]
    assert resolved_ones[0] == resolved_ones[1] != resolved_ones[2]
    tripled = resolved(grid("--lr-factor", "3").runs()[0], "resnet")[0]
    assert point(tripled) not in resolved_ones


def test_a_rate_and_a_factor_exclude_each_other(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "opt: [sgd, adam]\nwhere: [{opt: adam, set: {lr: 0.001}}]\n"
    )
    with pytest.raises(UserError, match="either `lr` or `lr_factor`"):
        grid("--lr-factor", "1,3", file=tmp_path / "mine.yaml").runs()


def test_a_repeated_value_is_one_run() -> None:
    assert len(grid("--opt", "sgd,sgd").runs()) == 1


def test_lists_are_not_divided() -> None:
    (run,) = grid(
        "--checkpoints", "0,1,10", "--arch-arg", "depth=6", "--arch-arg", "num_heads=4"
    ).runs()
    assert run.measure.checkpoints == (0, 1, 10)
    assert run.model.arch_arg == ("depth=6", "num_heads=4")


def test_flags_are_read() -> None:
    assert grid("--compile").runs()[0].optim.compile
    assert not grid("--no-compile", "--opt", "sgd").runs()[0].optim.compile


def test_a_file_gives_the_grid_and_options_win(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("opt: [sgd, adam]\nlr: 0.1\nseeds: 2\nlabel_noise: [0, 0.15]\n")
    runs = grid("--lr", "0.2", file=file).runs()
    assert len(runs) == 8
    assert {r.optim.lr for r in runs} == {0.2}
    assert {r.data.label_noise for r in runs} == {0, 0.15}


def test_rules_give_settings_to_the_runs_they_fit(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "arch: [resnet18, resnet34]\nopt: [sgd, adam]\n"
        "where:\n"
        "  - {opt: adam, set: {lr: 0.001}}\n"
        "  - {opt: adam, arch: resnet34, set: {lr: 0.002, width: 0.5}}\n"
    )
    found = {
        (r.model.arch, r.optim.opt): (r.optim.lr, r.model.width) for r in grid(file=file).runs()
    }
    assert found == {
        ("resnet18", "sgd"): (None, None),
        ("resnet34", "sgd"): (None, None),
        ("resnet18", "adam"): (0.001, None),
        ("resnet34", "adam"): (0.002, 0.5),
    }
    assert {r.optim.lr for r in grid("--lr", "7", file=file).runs()} == {7}


@pytest.mark.parametrize(
    "rule", ["where: adam", "where: [{opt: adam}]", "where: [{opt: adam, set: {lrr: 1}}]"]
)
def test_mistaken_rules_are_told(rule: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"opt: [sgd, adam]\n{rule}\n")
    with pytest.raises(UserError, match=r"where|no such setting"):
        grid(file=file)


def test_seeds_of_the_option_win_over_the_files() -> None:
    assert len(grid(preset="digits", seeds=1).runs()) == 4


@pytest.mark.parametrize("preset", sorted(path.stem for path in PRESETS.glob("*.yaml")))
def test_presets_compare_architectures_and_optimizers(preset: str) -> None:
    runs = grid(preset=preset).runs()
    assert {run.optim.seed for run in runs} == set(range(6))
    assert {(r.model.arch.partition("_")[0], r.optim.opt) for r in runs} == {
        ("resnet18", "sgd"),
        ("resnet18", "adam"),
        ("vit", "sgd"),
        ("vit", "adam"),
    }


@pytest.mark.parametrize("preset", ["paper-cifar10", "paper-tiny-imagenet"])
def test_presets_of_the_paper_measure_at_its_size(preset: str) -> None:
    for run in grid(preset=preset).runs():
        assert (run.measure.planes, run.measure.grid) == (500, 50)
        assert run.measure.plane_kinds == ("train",)


def test_the_name_stays_with_more_seeds_and_changes_with_a_setting() -> None:
    name = grid(preset="digits", seeds=2).name
    assert name.startswith("digits-")
    assert grid(preset="digits", seeds=5).name == name
    assert grid("--lr", "0.1", preset="digits", seeds=2).name != name


def test_a_point_does_not_depend_on_where_it_is_computed() -> None:
    (here,) = grid("--device", "cpu", "--data-dir", "a").runs()
    (there,) = grid("--device", "auto", "--data-dir", "b").runs()
    (other,) = grid("--lr", "0.3").runs()
    assert point(here) == point(there) != point(other)


def of_planes(*kinds: str) -> TrainConfig:
    return TrainConfig(measure=MeasureConfig(plane_kinds=kinds or None))


def test_runs_on_planes_of_other_kinds_are_other_points() -> None:
    points = {point(of_planes(*kinds)) for kinds in [(), ("train",), ("test", "train")]}
    assert len(points) == 3


UNSET_IN_01 = {
    "train_size",
    "image_size",
    "label_noise",
    "width",
    "lr",
    "batch_size",
    "epochs",
    "checkpoints",
    "probe_images",
    "probe_train",
    "planes",
}
"""Settings that version 0.1 logged as None by default; all others of that default came later."""


def test_runs_of_earlier_versions_are_the_same_points() -> None:
    params = TrainConfig().params()
    added = {n for n, v in params.items() if v == UNSET} - UNSET_IN_01 - BESIDES
    before = {n: v for n, v in params.items() if n not in added}
    assert compared_params(before) == compared_params(TrainConfig().params())
    assert added == ADDED, "a setting that is added has to be in it"
    assert point(TrainConfig()) == digest({n: v for n, v in before.items() if n not in BESIDES})


def test_the_order_of_kinds_has_no_effect() -> None:
    one, other = (
        grid("--plane-kinds", "noisy,test").runs(),
        grid("--plane-kinds", "test,noisy").runs(),
    )
    assert one == other
    assert one[0].measure.plane_kinds == ("test", "noisy")


MISTAKES = [
    (["--lrr", "1"], {}, "did you mean lr"),
    (["--lr", "x"], {}, "x"),
    (["--lr", ""], {}, "a value is missing"),
    (["lr", "1"], {}, "write settings as --name value"),
    (["--label-noise", "2"], {}, "below 1"),
    ([], {"seeds": 0}, "at least 1"),
    ([], {"preset": "nope"}, "digits"),
    ([], {"preset": "digits", "file": Path("x.yaml")}, "give only one"),
    ([], {"file": Path("missing.yaml")}, "missing.yaml"),
]


@pytest.mark.parametrize(("options", "more", "said"), MISTAKES)
def test_mistakes_are_told(options: list[str], more: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        grid(*options, **more).runs()
