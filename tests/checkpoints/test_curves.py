import json
from pathlib import Path

import pytest

from repdyn.checkpoints.curves import read_summary, read_trainer_state
from repdyn.errors import UserError


def test_the_log_of_trainer(tmp_path: Path) -> None:
    log = [
        {"step": 10, "epoch": 0.5, "loss": 2.0, "learning_rate": 0.1},
        {"step": 20, "epoch": 1.0, "loss": 1.0},
        {"step": 20, "epoch": 1.0, "eval_loss": 1.5, "eval_accuracy": 0.25, "eval_runtime": 3.0},
        {"step": 30, "epoch": 1.5, "loss": float("nan"), "eval_accuracy": 25.0},
        {"step": 40, "epoch": 1.5, "train_runtime": 9.0},
    ]
    (tmp_path / "state.json").write_text(json.dumps({"log_history": log, "global_step": 40}))

    assert read_trainer_state(tmp_path / "state.json") == {
        10: {"train/loss": 2.0},
        20: {"train/loss": 1.0, "test/loss": 1.5, "test/acc": 0.25},
    }


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"log_history": [1]}', "[" * 100_000])
def test_a_damaged_log_of_trainer(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text)

    with pytest.raises(UserError, match=r"state\.json: is not a state of Trainer; remove it"):
        read_trainer_state(tmp_path / "state.json")


def test_the_summary_of_timm(tmp_path: Path) -> None:
    (tmp_path / "summary.csv").write_text(
        "epoch,train_loss,eval_loss,eval_top1,eval_top5,lr\n"
        "0,2.5,2.25,12.5,50.0,0.1\n"
        "1,2.0,2.0,25.0,60.0,0.1\n"
        "epoch,train_loss,eval_loss,eval_top1,eval_top5,lr\n"
        "1,1.5,nan,50.0,60.0,0.1\n"
        "2,1.25,1"
    )

    assert read_summary(tmp_path / "summary.csv") == {
        0: {"train/loss": 2.5, "test/loss": 2.25, "test/acc": 0.125},
        1: {"train/loss": 1.5, "test/loss": 2.0, "test/acc": 0.5},
        2: {"train/loss": 1.25, "test/loss": 1.0},
    }


def test_a_summary_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "summary.csv").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(UserError, match=r"summary\.csv: is not a CSV file .* remove it"):
        read_summary(tmp_path / "summary.csv")


def test_a_log_that_is_a_folder(tmp_path: Path) -> None:
    for read in (read_summary, read_trainer_state):
        with pytest.raises(UserError, match="cannot be read"):
            read(tmp_path)
