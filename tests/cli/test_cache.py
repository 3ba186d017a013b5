"""repdyn cache: what is kept of an image folder is shown and removed."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from repdyn.cli import main
from repdyn.data import load_data
from repdyn.data.cache_files import homes, lock
from repdyn.settings.schema import DataConfig
from tests.support.dataset_files import write_folder

Outcome = tuple[int, str, str]


@pytest.fixture
def cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """Run the command on a folder of decoded images; returns its exit code and what it said."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    write_folder(Path("pets"))
    for side in (8, 12):
        load_data(DataConfig(dataset="imagefolder:pets", image_size=side, label_noise=0.0))

    def run(*arguments: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["repdyn", "cache", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
        said = capsys.readouterr()
        return int(stop.value.code or 0), said.out, said.err

    return run


def test_it_is_listed_removed_and_gone(cache: Callable[..., Outcome]) -> None:
    folder, _ = homes(Path("pets"))
    code, said, _ = cache("pets")
    assert code == 0
    assert said.startswith(f"{folder}: ")
    assert said.endswith("10 images of 8×8 pixels, 10 images of 12×12 pixels\n")
    assert cache("pets", "--remove")[1].endswith(", removed\n")
    assert not folder.exists()
    assert cache("pets") == (0, "no decoded images of pets are kept\n", "")


def test_of_a_folder_that_is_gone(cache: Callable[..., Outcome]) -> None:
    Path("pets").rename("other")
    assert cache("pets", "--remove")[1].endswith(", removed\n")


def test_what_is_being_written_stays(cache: Callable[..., Outcome]) -> None:
    folder, _ = homes(Path("pets"))
    with lock(folder, 12):
        code, said, error = cache("pets", "--remove")
    assert (code, said) == (2, "")
    assert error == f"repdyn: {folder}: another process writes images into it; stop it\n"
