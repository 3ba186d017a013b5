"""`repdyn figures` on real runs: two seeds by SGD and a run by Adam."""

import os
from pathlib import Path

import pytest

from tests.e2e.conftest import repdyn

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # the first one trains

MATRICES = {"matrices_cka", "matrices_regions"}
LAYERS = {
    f"{kind}_{measure}" for kind in ("layers", "layer_curves") for measure in ("cka", "regions")
}
REGIONS = {"decision_regions_resnet18-sgd", "decision_regions_resnet18-adam"}


@pytest.fixture(scope="module")
def runs(trained: tuple[Path, str]) -> Path:
    """Return the folder of the store."""
    folder, _ = trained
    for opt, seed in (("sgd", "1"), ("adam", "0")):
        which = ["--opt", opt, "--seed", seed, "--run-name", f"{opt}-{seed}", "--no-figures"]
        repdyn("train", "--config", "run.yaml", *which, cwd=folder)
    return folder


def drawn(runs: Path, out: str) -> dict[str, bytes]:
    how = ["--width", "3.25", "--format", "pdf,png", "--out", out]
    repdyn("figures", "small", "sgd-1", "adam-0", *how, cwd=runs)
    return {path.name: path.read_bytes() for path in (runs / out).iterdir()}


def test_all_figures_are_written_with_captions_and_the_same_each_time(runs: Path) -> None:
    files = drawn(runs, "first")
    names = {
        f"{name}_3.25in.{form}"
        for name in MATRICES | LAYERS | REGIONS | {"error_curves"}
        for form in ("pdf", "png")
    }
    assert names | {"captions.txt", "figures.tex"} <= files.keys()
    assert all(files[name].startswith(b"%PDF") for name in names if name.endswith("pdf"))
    said = files["captions.txt"].decode()
    assert "the first by name of 2 runs" in said
    assert "n = 2 runs, sgd-1 (" in said
    (runs / "again").mkdir()
    (runs / "again" / "captions.txt").write_text("old")
    assert drawn(runs, "again") == files


def test_a_folder_that_cannot_be_written_is_told(runs: Path) -> None:
    (runs / "file").write_text("")
    done = repdyn("figures", "small", "--out", "file", cwd=runs, ok=False)
    assert done.returncode == 2
    assert "--out file: is a file" in done.stderr
    if os.geteuid() != 0:  # root may write anywhere
        (runs / "locked").mkdir(mode=0o500)
        done = repdyn("figures", "small", "--out", "locked", cwd=runs, ok=False)
        assert done.returncode == 2
        assert "--out locked: is not writable" in done.stderr
