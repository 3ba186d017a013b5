"""What errors say is for people to read."""

import pickle

import pytest

from repdyn.errors import SettingError, UserError


def test_of_an_overlong_word_both_ends_are_told() -> None:
    said = str(UserError(f'Invalid value "{"9" * 5000}": no number.'))
    assert said.startswith('Invalid value "999')
    assert said.endswith('999": no number.')
    assert "9…9" in said
    assert len(said) < 400


def test_words_and_paths_of_usual_length_stay_whole() -> None:
    message = " ".join(["/a/folder" * 40, *(f"layer{n}" for n in range(300))])
    assert str(UserError(message)) == message


@pytest.mark.parametrize(("value", "said"), [(1.2, "lr 1.2: too large"), (None, "lr: too large")])
def test_an_error_of_a_setting_names_it_as_python_does(value: object, said: str) -> None:
    assert str(SettingError("lr", value, "too large")) == said


def test_an_error_of_a_setting_survives_pickling() -> None:
    """Ray sends errors from its workers."""
    error = pickle.loads(pickle.dumps(SettingError("label_noise", 1.2, "must be below 1")))
    assert str(error) == "label_noise 1.2: must be below 1"
    assert (error.name, error.value, error.reason) == ("label_noise", 1.2, "must be below 1")


def test_a_setting_of_any_length_is_told_in_a_short_line() -> None:
    error = SettingError("x" * 5000, "9" * 5000, "no number")
    assert len(str(error)) < 700
    assert len(error.marked) < 700
