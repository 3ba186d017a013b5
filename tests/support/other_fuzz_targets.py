"""What reads what is not a run's measures: states, settings, keys, queues, bundles; for fuzzing."""

import atexit
import copy
import json
import shutil
import tempfile
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import torch
from torch import nn

from repdyn.errors import SettingError
from repdyn.runs import state_file
from repdyn.runs.experiment import Experiment
from repdyn.runs.saving import FORMAT, decode_state
from repdyn.runs.state_check import check_state
from repdyn.settings.schema import OptimConfig, TrainConfig
from repdyn.settings.text import from_params
from repdyn.settings.yaml_file import parse_mapping
from repdyn.storage.bundle import Bundle, pack
from repdyn.storage.delivery import queue_folder as queue
from repdyn.storage.delivery.operations import LogMetrics, Operation, PutArtifact, SetTag, to_json
from repdyn.training.loop import make_optimizer
from tests.support import synthetic
from tests.support.fuzz_targets import Target
from tui.actions import parse_keymap

MODEL = nn.Linear(2, 3)
OPTIM = OptimConfig(lr=0.5, schedule="cosine")
EXPERIMENT = cast(
    "Experiment",
    SimpleNamespace(
        epochs=4,
        batch_size=4,
        data=SimpleNamespace(
            images=torch.zeros(8, 2), labels=torch.zeros(8, dtype=torch.int64), inputs=lambda x: x
        ),
        images=SimpleNamespace(classes=("a", "b", "c")),
        layers=(SimpleNamespace(name="logits"),),
        device=torch.device("cpu"),
        config=SimpleNamespace(optim=OPTIM),
        new_model=lambda: copy.deepcopy(MODEL),
    ),
)
FOLDER = Path(tempfile.mkdtemp(prefix="repdyn-fuzz-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
"""Of a queue's entry, which is read from the disk."""

SETTINGS = """
arch: resnet18
lr: [0.1, 0.01]
seeds: 3
width: 0x10
checkpoints: &c [0, 1, 2]
where: [{opt: adam, set: {lr: 1e-3, checkpoints: *c}}]
"""


def other_targets() -> list[Target]:
    """Return the readers of all other files."""
    # of one checkpoint: what is packed is fuzzed by itself
    bundle = pack([synthetic.run(count=2, last=2)])
    params = "\n".join(f"{name}={value}" for name, value in TrainConfig().params().items())
    operations: list[Operation] = [LogMetrics((("a", 0.5, 1, 2),)), SetTag("a", "b")]
    put = to_json(PutArtifact("x/y.npy", b"abc")) | {"size": 3, "crc32": zlib.crc32(b"abc")}
    run = {"uri": "http://localhost", "run_id": "a", "host": "b", "pid": "1"}
    return [
        Target("checkpoints/last.safetensors", _state(), read_state, "last.safetensors"),
        Target("params", params.encode(), read_params, ""),
        Target("run.yaml", SETTINGS.encode(), read_settings, "config x"),
        Target("keys.yaml", b"run.kind: x\ncursor.up: [k, up]\n", read_keys, "keys"),
        *(
            Target(f"{to_json(operation)['kind']} job.json", _json(to_json(operation)), read_job)
            for operation in operations
        ),
        Target("artifact job.json", _json(put), read_job),
        Target("run.json", _json(run), read_owner),
        Target("runs.zip", bundle, read_bundle),
    ]


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _state() -> bytes:
    model = copy.deepcopy(MODEL)
    optimizer = make_optimizer(model, OPTIM)
    model(torch.ones(4, 2)).sum().backward()
    optimizer.step()
    random = torch.Generator().get_state()
    part = torch.zeros(2, dtype=torch.float64)
    probe = {"weight": torch.eye(2, dtype=torch.float64), "bias": part, "mean": part, "scale": part}
    classes = {"classes": torch.tensor([0, 2], dtype=torch.uint8)}
    trainer: dict[str, Any] = {
        "epoch": 1,
        "step": 1,
        "lr": 0.25,
        "seconds": 1.5,
        "tally": torch.tensor([2.0, 4, 1, 0, 0, 1], dtype=torch.float64),
        "model": dict(model.state_dict()),
        "optimizer": optimizer.state_dict(),
        "order": random,
        "chance": random,
        "random": random,
        "device_random": None,
    }
    state = {
        "format": FORMAT,
        "trainer": trainer,
        "recorder": {"logits": probe | classes},
        "seconds": {"training": 1.0},
    }
    return state_file.encode(state)


def read_state(content: bytes) -> None:
    state = decode_state(content)
    check_state(state, EXPERIMENT)
    assert 1 <= state["trainer"]["epoch"] <= 5
    assert 0 <= state["trainer"]["lr"] <= 0.51


def read_params(content: bytes) -> None:
    lines = content.decode("utf-8", "replace").split("\n")
    params = dict(line.split("=", 1) for line in lines if "=" in line)
    config = from_params(params)
    assert from_params(config.params()) == config


def read_settings(content: bytes) -> None:
    try:
        found = parse_mapping(content, "write settings")
    except ValueError as error:
        raise SettingError("config", "x", str(error)) from None
    for name, value in found.items():
        assert isinstance(name, str)
        assert str(value)


def read_keys(content: bytes) -> None:
    keymap = parse_keymap("keys", content)
    assert all(isinstance(text, str) for each in keymap.items() for text in each)


def read_job(content: bytes) -> None:
    (FOLDER / queue.OPERATION).write_bytes(content)
    (FOLDER / queue.CONTENT).mkdir(exist_ok=True)
    (FOLDER / queue.CONTENT / "y.npy").write_bytes(b"abc")
    operation = queue._read(FOLDER)
    if isinstance(operation, PutArtifact):
        assert isinstance(operation.content, Path)
        assert operation.content == FOLDER / queue.CONTENT / "y.npy"
    json.dumps(to_json(operation))


def read_owner(content: bytes) -> None:
    owned = object.__new__(queue.QueueFolder)  # without a lock
    owned.folder = FOLDER
    (FOLDER / queue.RUN).write_bytes(content)
    assert isinstance(owned.run().uri, str)


def read_bundle(content: bytes) -> None:
    bundle = Bundle(content)
    for summary in bundle.summaries:
        record = bundle.record(summary.run_id)
        assert record.dynamics is not None
        bundle.planes(summary.run_id)
        assert bundle.sizes(summary.run_id)
