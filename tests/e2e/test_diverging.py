"""Training whose loss is not finite any more: stopped, or on to the end."""

from pathlib import Path

import numpy as np
import pytest

import repdyn as api
from tests.e2e.conftest import SETTINGS, repdyn


@pytest.mark.slow
@pytest.mark.usefixtures("made_store")
@pytest.mark.parametrize("chosen", ["stop", "continue"])
def test_a_loss_that_is_not_finite(chosen: str, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(SETTINGS)
    settings = ["--lr", "1e30", "--epochs", "3", "--on-nan", chosen]
    done = repdyn("train", "--config", "run.yaml", *settings, cwd=tmp_path, ok=False)
    assert "Traceback" not in done.stderr
    record = api.load_run(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    assert record.dynamics is not None
    assert np.isnan(record.curves["train/loss"].values[-1])
    assert np.isnan(record.curves["test/loss"].values[-1])
    if chosen == "stop":
        assert done.returncode == 2
        assert "epoch 1, step 2: the loss is not finite" in done.stderr
        assert "the last good checkpoint is epoch 0" in done.stderr
        assert record.summary.status == "FAILED"
        assert record.dynamics.steps.tolist() == [0]
    else:
        assert done.returncode == 0, done.stderr
        assert "epoch 1: constant or non-finite features" in done.stdout
        assert record.dynamics.steps.tolist() == [0, 1, 2, 3]
        assert np.isfinite(record.dynamics.similarity["cka"][:, 0, 0]).all()
        assert np.isnan(record.dynamics.similarity["cka"][:, 1:, 1:]).all()
