"""What errors say is for people to read."""

from repdyn.errors import UserError


def test_of_an_overlong_word_both_ends_are_told() -> None:
    said = str(UserError(f'Invalid value "{"9" * 5000}": no number.'))
    assert said.startswith('Invalid value "999')
    assert said.endswith('999": no number.')
    assert "9…9" in said
    assert len(said) < 400


def test_words_and_paths_of_usual_length_stay_whole() -> None:
    message = " ".join(["/a/folder" * 40, *(f"layer{n}" for n in range(300))])
    assert str(UserError(message)) == message
