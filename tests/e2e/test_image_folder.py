"""An image folder of more classes than a byte counts: trained, measured again, read."""

from pathlib import Path

import numpy as np
import pytest

from repdyn.settings.schema import StoreConfig
from repdyn.storage.reader import load_label_maps, load_planes
from repdyn.storage.search import find_run
from tests.e2e.conftest import SETTINGS, repdyn
from tests.support.dataset_files import write_folder

CLASSES = 300

FURTHER = """
dataset: imagefolder:images
image_size: 8
epochs: 2
checkpoints: 2
batch_size: 64
probe: ridge
"""


@pytest.mark.slow
@pytest.mark.usefixtures("made_store")
def test_three_hundred_classes(tmp_path: Path) -> None:
    write_folder(tmp_path / "images", tuple(f"class {c}" for c in range(CLASSES)), each=3)
    settings = [line for line in SETTINGS.splitlines() if line.split(":")[0] not in FURTHER]
    (tmp_path / "run.yaml").write_text("\n".join(settings) + FURTHER)
    trained = repdyn("train", "--config", "run.yaml", cwd=tmp_path)
    assert "decoding 900 images" in trained.stdout
    store = StoreConfig(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    run = find_run(store, "last").run_id
    before = load_label_maps(store, run, 2).maps
    assert before.dtype == np.uint16
    assert before.max() > 255
    assert len(load_planes(store, run).classes) == CLASSES
    again = repdyn("analyze", run, "--in-place", cwd=tmp_path)
    assert "decod" not in again.stdout
    assert np.array_equal(load_label_maps(store, run, 2).maps, before)
    repdyn("figures", run, "--format", "png", cwd=tmp_path)
    assert list((tmp_path / "figures").glob("*regions*.png"))
