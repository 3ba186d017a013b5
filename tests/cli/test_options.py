"""How the command line reads the settings of a sweep."""

from repdyn.cli.options import given_pairs


def test_settings_of_a_sweep_are_written_as_options_are() -> None:
    words = ["--label-noise", "0,0.1", "--lr=0.1", "--compile", "--no-compile", "--opt", "sgd"]
    assert list(given_pairs(words)) == [
        ("label_noise", "0,0.1"),
        ("lr", "0.1"),
        ("compile", "true"),
        ("compile", "false"),
        ("opt", "sgd"),
    ]
