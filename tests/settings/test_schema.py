"""Settings: written once, checked, carried through MLflow's params and YAML."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repdyn.data.load import FOLDER, SHAPES
from repdyn.errors import UserError
from repdyn.settings.defaults import DATA_SETS, learning_rate, resolved
from repdyn.settings.schema import (
    DataConfig,
    Family,
    MeasureConfig,
    ModelConfig,
    OptimConfig,
    TrainConfig,
    from_params,
    from_settings,
)


def test_params_read_back_are_the_configuration() -> None:
    config = TrainConfig(
        data=DataConfig(label_noise=0.15, dataset="imagefolder:/a folder/x"),
        model=ModelConfig(arch_arg=("depth=6", 'block_args={"a": 1}')),
        optim=OptimConfig(lr=1e-3, compile=True),
        measure=MeasureConfig(checkpoints=(0, 1, 5), layers="layer[12]"),
    )
    assert from_params(config.params()) == config


@given(
    lr=st.floats(1e-12, 1e3),
    noise=st.just(0.0) | st.floats(1e-9, 0.99),
    checkpoints=st.integers(2, 500) | st.lists(st.integers(0, 999), min_size=2).map(tuple),
)
def test_any_params_read_back_are_the_configuration(
    lr: float, noise: float, checkpoints: int | tuple[int, ...]
) -> None:
    config = TrainConfig(
        data=DataConfig(label_noise=noise),
        optim=OptimConfig(lr=lr),
        measure=MeasureConfig(checkpoints=checkpoints),
    )
    assert from_params(config.params()) == config


def test_params_hold_every_setting_once() -> None:
    names = [name for name, _ in TrainConfig().settings()]
    assert len(names) == len(set(names)) == len(TrainConfig().params())
    assert {"dataset", "arch", "opt", "label_noise", "planes"} <= set(names)


def test_params_of_other_names_are_passed_over() -> None:
    assert from_params({"someone": "else", "arch": "resnet34"}).model.arch == "resnet34"


def test_a_param_of_the_wrong_type_is_a_users_error() -> None:
    with pytest.raises(UserError, match="epochs"):
        from_params({"epochs": "many"})


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
        (OptimConfig, "momentum", 1.0),
        (OptimConfig, "epochs", 0),
        (OptimConfig, "batch_size", 1),
        (MeasureConfig, "cka_batch", 3),
        (MeasureConfig, "checkpoints", 1),
        (MeasureConfig, "checkpoints", (0, -4)),
        (MeasureConfig, "layers", "("),
        (MeasureConfig, "probe_l2", 0.0),
        (MeasureConfig, "planes", 2),
    ],
)
def test_a_bad_value_is_named_with_its_option(part: type, setting: str, value: object) -> None:
    with pytest.raises(UserError, match=f"--{setting.replace('_', '-')}"):
        part(**{setting: value})


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
def test_resolved_configurations_leave_nothing_open_but_sizes_of_the_data(
    data_set: str, family: Family
) -> None:
    filled, _ = resolved(TrainConfig(data=DataConfig(dataset=data_set)), family)
    assert {name for name, value in filled.settings() if value is None} <= {
        "train_size",
        "image_size",
        "save_every",
    }


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


def test_an_optimizer_the_table_does_not_know_has_no_default() -> None:
    assert learning_rate("madgrad", "vit", DATA_SETS["digits"]) is None


def test_every_setting_has_a_help_text() -> None:
    import inspect

    for part in (DataConfig, ModelConfig, OptimConfig, MeasureConfig):
        source = inspect.getsource(part)
        for setting in dataclasses.fields(part):
            after = source.split(f"    {setting.name}: ", 1)[1].split("\n    def ", 1)[0]
            assert '"""' in after.split("\n\n", 1)[0], setting.name


def test_a_quotation_mark_that_nothing_closes_is_one_line() -> None:
    with pytest.raises(UserError, match="--arch-arg"):
        from_params(TrainConfig().params() | {"arch_arg": "a='b"})


@pytest.mark.parametrize("value", ["9" * 5000, "a b " * 2000, "\n" * 3000 + "x" * 700, '"' * 2000])
def test_a_value_of_any_length_is_told_in_a_short_line(value: str) -> None:
    with pytest.raises(UserError) as raised:
        from_settings({"train_size": value})
    said = str(raised.value)
    assert "train_size" in said or "train-size" in said
    assert len(said) < 600
    assert "\n" not in said
