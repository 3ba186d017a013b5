"""Settings: written once, checked, filled in with defaults."""

import dataclasses
import re

import pytest

from repdyn.analysis.undefined import REACHES
from repdyn.data.load import FOLDER, SHAPES
from repdyn.errors import SettingError
from repdyn.settings.defaults import DATA_SETS, learning_rate, resolved, short_notice
from repdyn.settings.schema import (
    DataConfig,
    Family,
    MeasureConfig,
    ModelConfig,
    OptimConfig,
    TrainConfig,
)
from repdyn.settings.text import from_params


def test_params_hold_every_setting_once() -> None:
    names = [name for name, _ in TrainConfig().settings()]
    assert len(names) == len(set(names)) == len(TrainConfig().params())
    assert {"dataset", "arch", "opt", "label_noise", "planes"} <= set(names)


@pytest.mark.parametrize(
    ("part", "setting", "value"),
    [
        (DataConfig, "label_noise", 1.5),
        (DataConfig, "label_noise", -0.1),
        (DataConfig, "label_noise", float("nan")),
        (DataConfig, "train_size", 1),
        (DataConfig, "data_seed", -1),
        (ModelConfig, "width", 0.0),
        (ModelConfig, "arch_arg", ("depth",)),
        (OptimConfig, "lr", 0.0),
        (OptimConfig, "lr", float("inf")),
        (OptimConfig, "lr_factor", 0.0),
        (OptimConfig, "lr_factor", float("nan")),
        (OptimConfig, "momentum", 1.0),
        (OptimConfig, "eps", 0.0),
        (OptimConfig, "eps", float("inf")),
        (OptimConfig, "epochs", 0),
        (OptimConfig, "warmup_epochs", -1),
        (OptimConfig, "batch_size", 1),
        (MeasureConfig, "cka_batch", 3),
        (MeasureConfig, "checkpoints", 1),
        (MeasureConfig, "checkpoints", (0, -4)),
        (MeasureConfig, "layers", "("),
        (MeasureConfig, "probe_l2", 0.0),
        (MeasureConfig, "planes", 2),
        (MeasureConfig, "plane_kinds", ()),
        (MeasureConfig, "plane_kinds", ("train", "validation")),
    ],
)
def test_a_bad_value_is_named_with_its_setting(part: type, setting: str, value: object) -> None:
    with pytest.raises(SettingError, match=rf"^{setting}\b") as raised:
        part(**{setting: value})
    assert raised.value.name == setting


def test_every_data_set_that_can_be_loaded_has_its_defaults() -> None:
    """One that were missing would silently be trained with those of a folder of images."""
    assert set(DATA_SETS) == {*SHAPES, FOLDER}


def test_defaults_fill_in_what_was_not_said_and_only_that() -> None:
    config = TrainConfig(data=DataConfig(label_noise=0.3))
    filled, brought = resolved(config, "resnet")
    digits = DATA_SETS["digits"]
    assert filled.data.label_noise == 0.3
    assert "label_noise" not in brought
    assert filled.optim.epochs == brought["epochs"] == digits.epochs
    assert filled.optim.lr == digits.lr["resnet", "sgd"]


@pytest.mark.parametrize("data_set", list(DATA_SETS))
@pytest.mark.parametrize("family", ["resnet", "vit", "other"])
def test_resolved_configurations_leave_nothing_open_but_what_the_data_determine(
    data_set: str, family: Family
) -> None:
    filled, _ = resolved(TrainConfig(data=DataConfig(dataset=data_set)), family)
    assert {name for name, value in filled.settings() if value is None} <= {
        "train_size",
        "image_size",
        "lr_factor",
        "eps",
        "warmup_epochs",
        "save_every",
        "plane_kinds",
        "drs_grid",
    }


def test_a_larger_epsilon_is_the_default_of_adam_on_the_digits_only() -> None:
    def eps(opt: str, data_set: str, given: float | None = None) -> float | None:
        config = TrainConfig(
            data=DataConfig(dataset=data_set), optim=OptimConfig(opt=opt, eps=given)
        )
        return resolved(config, "vit")[0].optim.eps

    assert eps("adam", "digits") == eps("adamw", "digits") == 1e-4
    assert eps("adam", "digits", 1e-8) == 1e-8
    assert eps("sgd", "digits") is eps("lion", "digits") is eps("adam", "cifar10") is None


def test_a_warm_up_that_would_last_longer_than_the_training_is_refused() -> None:
    message = r"^warmup_epochs [0-9]+: .*less than the number of epochs"
    with pytest.raises(SettingError, match=message):
        OptimConfig(epochs=9, warmup_epochs=9)
    usual = DATA_SETS["digits"].epochs
    with pytest.raises(SettingError, match=message):
        resolved(TrainConfig(optim=OptimConfig(warmup_epochs=usual)), "vit")


def test_a_run_shorter_than_usual_is_said_to_be() -> None:
    def said(epochs: int | None, data_set: str = "digits") -> str:
        config = TrainConfig(data=DataConfig(dataset=data_set), optim=OptimConfig(epochs=epochs))
        return short_notice(resolved(config, "vit")[0])

    assert said(60).startswith("`epochs` 60: scores at perfect fit are defined only if ")
    assert said(60).endswith("omit `epochs` for the usual 200")
    assert said(None) == said(200) == said(300) == ""
    assert "the usual 1000" in said(200, "cifar10")


def test_a_fit_by_the_epoch_that_a_short_run_names_has_its_scores() -> None:
    config = TrainConfig(data=DataConfig(dataset="digits"), optim=OptimConfig(epochs=60))
    found = re.search(r"perfect by epoch (\d+)", short_notice(resolved(config, "vit")[0]))
    assert found is not None
    by = int(found[1])
    assert REACHES * by <= 60 < REACHES * (by + 1)


@pytest.mark.parametrize(
    ("family", "opt", "power"), [("resnet", "sgd", 1), ("vit", "adam", 1), ("vit", "sgd", 0)]
)
def test_the_step_shrinks_with_the_width_where_the_table_says_so(
    family: Family, opt: str, power: int
) -> None:
    digits = DATA_SETS["digits"]
    usual = learning_rate(opt, family, digits)
    assert usual is not None
    twice = learning_rate(opt, family, digits, 2 * digits.width[family])
    assert twice == pytest.approx(usual / 2**power, rel=1e-3)


def test_a_smaller_step_for_lion_than_for_adam() -> None:
    digits = DATA_SETS["digits"]
    lion, adam = (learning_rate(opt, "vit", digits) for opt in ("lion", "adam"))
    assert lion is not None
    assert adam is not None
    assert lion < adam


@pytest.mark.parametrize("opt", ["sgd", "adam", "lion"])
@pytest.mark.parametrize("family", ["resnet", "vit", "other"])
def test_a_factor_multiplies_the_default_rate_of_each_optimizer_and_family(
    family: Family, opt: str
) -> None:
    usual = learning_rate(opt, family, DATA_SETS["digits"])
    filled, brought = resolved(TrainConfig(optim=OptimConfig(opt=opt, lr_factor=0.3)), family)
    assert usual is not None
    assert filled.optim.lr == brought["lr"] == pytest.approx(0.3 * usual, rel=1e-3)
    # what a run has stored is resolved again when it is resumed or analysed
    assert resolved(from_params(filled.params()), family)[0].optim == filled.optim


def test_an_optimizer_the_table_does_not_know_has_no_default() -> None:
    assert learning_rate("madgrad", "vit", DATA_SETS["digits"]) is None


def test_every_setting_has_a_help_text() -> None:
    import inspect

    for part in (DataConfig, ModelConfig, OptimConfig, MeasureConfig):
        source = "".join(inspect.getsource(one) for one in part.__mro__[:-1])
        for setting in dataclasses.fields(part):
            after = source.split(f"    {setting.name}: ", 1)[1].split("\n    def ", 1)[0]
            assert '"""' in after.split("\n\n", 1)[0], setting.name
