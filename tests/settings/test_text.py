"""Settings from text: as cyclopts reads them, and as MLflow's params hold them."""

import dataclasses
from typing import Any, get_type_hints

import cyclopts
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repdyn.errors import SettingError, UserError
from repdyn.measures.spec import MEASURES
from repdyn.settings.schema import (
    DataConfig,
    MeasureConfig,
    ModelConfig,
    OptimConfig,
    TrainConfig,
)
from repdyn.settings.text import LISTS, from_params, from_settings


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


def test_params_of_other_names_are_passed_over() -> None:
    assert from_params({"someone": "else", "arch": "resnet34"}).model.arch == "resnet34"


def test_a_param_of_the_wrong_type_is_a_users_error() -> None:
    with pytest.raises(UserError, match="epochs"):
        from_params({"epochs": "many"})


def test_a_quotation_mark_that_nothing_closes_is_one_line() -> None:
    with pytest.raises(UserError, match=r"^arch_arg a='b: "):
        from_params(TrainConfig().params() | {"arch_arg": "a='b"})


@pytest.mark.parametrize("value", ["9" * 5000, "a b " * 2000, "\n" * 3000 + "x" * 700, '"' * 2000])
def test_a_value_of_any_length_is_told_in_a_short_line(value: str) -> None:
    with pytest.raises(UserError) as raised:
        from_settings({"train_size": value})
    said = str(raised.value)
    assert "train_size" in said or "train-size" in said
    assert len(said) < 600
    assert "\n" not in said


HINTS = {
    setting.name: get_type_hints(part)[setting.name]
    for part in (DataConfig, ModelConfig, OptimConfig, MeasureConfig)
    for setting in dataclasses.fields(part)
    if setting.name not in LISTS
}


@pytest.mark.parametrize(
    "text",
    [
        *("", "3", "-3", " 7 ", "1_000", "0x10", "-0b1", "30.0", "2.5", "1e3", "1.0e400", "nan"),
        *("yes", "No", "T", "0", "none", "NULL", "all", "All", "crop-flip", "cpu", "x", "9" * 5000),
    ],
)
def test_text_means_what_it_means_on_the_command_line(text: str) -> None:
    for name, hint in HINTS.items():
        try:
            expected: Any = cyclopts.convert(hint, [text])
        except (cyclopts.CycloptsError, ValueError, OverflowError):
            with pytest.raises(UserError, match=rf"\[{name}\] from settings") as raised:
                from_settings({name: text})
            assert not isinstance(raised.value, SettingError)
            continue
        try:
            found = dict(from_settings({name: text}).settings())[name]
        except SettingError as error:  # converted, and out of bounds
            found = error.value if error.value is not None else expected
        assert repr(found) == repr(expected), name


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("checkpoints", "5", 5),
        ("checkpoints", "5,", (5,)),
        ("checkpoints", "0, 1 10", (0, 1, 10)),
        ("checkpoints", ["0", "1"], (0, 1)),
        ("similarity", "knn,cka,knn", ("knn", "cka")),
        ("similarity", ["cka", "regions,knn"], ("cka", "regions", "knn")),
        ("similarity", "all", tuple(MEASURES)),
        ("arch_arg", "depth=6", ("depth=6",)),
        ("arch_arg", ["depth=6", "a=1,2"], ("depth=6", "a=1,2")),
    ],
)
def test_lists(name: str, given: str | list[str], value: object) -> None:
    assert dict(from_settings({name: given}).settings())[name] == value


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"epochs": "many"}, 'for [epochs] from settings: unable to convert "many" into int.'),
        ({"lr": ["1", "2"]}, 'for [lr] from settings: unable to convert "["1", "2"]" into float.'),
        ({"on_nan": "constant"}, 'Choose from: "stop", "continue". Did you mean "continue"?'),
        ({"keep_checkpoints": "few"}, 'convert "few" into Literal[all, phases, last]|int.'),
        ({"checkpoints": "0,often"}, "checkpoints 0 often: give a number, or a list of epochs"),
        ({"checkpoints": ""}, "checkpoints: give a number, or a list of epochs"),
        ({"lerning_rate": "1"}, "[lerning_rate]"),
    ],
)
def test_what_is_no_value_is_told(settings: dict[str, str | list[str]], said: str) -> None:
    with pytest.raises(UserError) as raised:
        from_settings(settings)
    assert said in str(raised.value)
