"""A store with runs that something is wrong with, and one run that is whole."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from mlflow.tracking import MlflowClient

from repdyn.settings.schema import MeasureConfig, StoreConfig, TrainConfig
from repdyn.storage import schema
from repdyn.storage.writer import RunWriter
from tests.support import stored as made
from tests.support.present import present

SCHEMA = {schema.SCHEMA_TAG: "1", schema.FAMILY_TAG: "resnet"}
SMALL = TrainConfig(measure=MeasureConfig(probe_images=40, cka_batch=20))


def write_runs(store: StoreConfig) -> None:
    """Write the runs; each is called what it is."""
    weights = {schema.checkpoint_path(4): _weights()}
    for name in ("whole", "twin", "twin"):
        _write(store, name)
    _write(store, "damaged-matrices", {"dynamics/cka.npy": b"\x93NUMPY"})
    _write(store, "damaged-layers", {"dynamics/layers.json": b"[" * 10**5})
    _write(store, "damaged-phases", {schema.PHASES: b'{"fit": 1e400}'})
    _write(store, "damaged-weights", {schema.checkpoint_path(4): b"\xff" * 99})
    _write(store, "other-weights", weights)
    _write(store, "linked", {}, link=True)
    _write(store, "newer", tags={schema.SCHEMA_TAG: "99"})
    _write(store, "without-checkpoint", measured=False)
    _write(store, "odd-params", weights, params={"lr": "many", "epochs": "-1"})
    for name, status in (("evil", "FINISHED"), ("evil-stopped", "KILLED")):
        _write(store, name, weights, params={"arch_arg": "checkpoint_path=evil.pth"}, status=status)
    _write(store, "stopped", status="KILLED", params=None)
    _write(store, "stopped-damaged", {schema.LAST_STATE: b"PK\x03\x04"}, status="KILLED")
    _write(store, "stopped-pickled", {schema.LAST_STATE: pickled()}, status="KILLED")
    parent = _write(store, "sweep", tags={schema.SWEEP_TAG: "x"}, measured=False)
    analysis = {"mlflow.parentRunId": parent}
    _write(store, "stopped-analysis", tags=analysis, measured=False, status="KILLED")
    _write(store, "child", tags={schema.POINT_TAG: "a", "mlflow.parentRunId": parent})
    with RunWriter.create(replace(store, experiment="deleted"), "run", {}, SCHEMA):
        pass
    client = MlflowClient(store.tracking_uri)
    client.delete_experiment(present(client.get_experiment_by_name("deleted")).experiment_id)
    client.create_experiment("bare")


def _write(
    store: StoreConfig,
    name: str,
    files: dict[str, bytes] | None = None,
    *,
    params: dict[str, str] | None = {},  # noqa: B006 (read only)
    tags: dict[str, str] | None = None,
    measured: bool = True,
    status: str = "FINISHED",
    link: bool = False,
) -> str:
    config = {} if params is None else SMALL.params() | params
    with RunWriter.create(store, name, config, SCHEMA | (tags or {})) as writer:
        if measured:
            writer.log_planes(made.planes())
            writer.log_dynamics(made.dynamics())
            writer.log_label_maps(made.label_maps(4))
            writer.log_summaries("cka", 4, np.ones((3, 5), np.float16))
            writer.log_metrics(0, {"train/acc": 0.5})
        for path, content in (files or {}).items():
            writer.put(path, content)
    client = MlflowClient(store.tracking_uri)
    if link:
        folder = Path(client.get_run(writer.run_id).info.artifact_uri)
        (folder / "dynamics/cka.npy").unlink()
        (folder / "dynamics/cka.npy").symlink_to("/etc/hostname")
    if status != "FINISHED":
        client.set_terminated(writer.run_id, status)
    return writer.run_id


def _weights() -> bytes:
    import torch
    from safetensors.torch import save

    return save({"x": torch.zeros(1)})


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch unpickled",)


def pickled() -> bytes:
    """Return a file of torch.save that makes a file when it is unpickled."""
    import io

    import torch

    out = io.BytesIO()
    torch.save({"format": 2, "trainer": _Bomb()}, out)
    return out.getvalue()
