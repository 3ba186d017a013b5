"""An option of another command is told from one that no command has."""

from __future__ import annotations

import pytest
from cyclopts.exceptions import UnknownOptionError

from repdyn.cli.app import app
from repdyn.cli.unknown_option import elsewhere


def told(words: list[str]) -> str:
    with pytest.raises(UnknownOptionError) as raised:
        app(words, exit_on_error=False, print_error=False)
    return elsewhere(app, raised.value)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "--preset", "digits"], "--preset. It is an option of repdyn sweep."),
        (["train", "--cpus-per-run=3"], "--cpus-per-run. It is an option of repdyn sweep."),
        (["runs", "--cka-batch", "10"], "--cka-batch. It is an option of repdyn train, "),
        (["show", "x", "--width", "3.25"], "--width. It is an option of "),
    ],
)
def test_options_of_other_commands_are_told(words: list[str], said: str) -> None:
    assert told(words).startswith(f"Unknown option: {said}")


def test_the_command_itself_is_never_among_them() -> None:
    assert "repdyn show" not in told(["show", "x", "--seeds", "3"])


@pytest.mark.parametrize("word", ["--presett", "--no-such", "-x"])
def test_others_are_left_to_the_nearest_match(word: str) -> None:
    assert told(["train", word, "1"]) == ""


@pytest.mark.parametrize("word", ["--epoch", "--seeds"])
def test_an_option_close_to_one_of_the_command_is_left_to_the_nearest_match(word: str) -> None:
    assert told(["train", word, "3"]) == ""  # compare has --epoch, sweep --seeds


def test_other_errors_are_left_as_they_are() -> None:
    assert elsewhere(app, ValueError("no")) == ""
