"""Wrong values by class, for every setting of the class: those that no command may take."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

NOT_NUMBERS = ("''", "x", "1,5", "1e", "--", "nan", "inf", "-inf", "1e999", "-1")
FLOATS = {
    "lr": ("1e308", "1e-320", "0"),
    "lr-factor": ("1e308", "1e-320", "0"),
    "weight-decay": ("1e308", "1e-320", "1e300"),
    "momentum": ("1e308", "1e-320", "1"),
    "width": ("1e308", "1e-320", "1e-300"),
    "label-noise": ("1e308", "1e-320", "1"),
    "probe-l2": ("1e308", "1e-320", "0"),
}
COUNTS = [
    "train-size",
    "image-size",
    "batch-size",
    "epochs",
    "save-every",
    "checkpoints",
    "probe-images",
    "cka-batch",
    "probe-train",
    "planes",
    "grid",
    "fine-planes",
    "fine-grid",
]
CHOICES = [
    "augment",
    "schedule",
    "device",
    "precision",
    "on-nan",
    "bn",
    "cka",
    "probe",
    "probe-features",
    "probe-labels",
]
RESERVED = [
    "checkpoint_path=x",
    "pretrained=True",
    "pretrained_cfg=x",
    "pretrained_cfg_overlay={}",
    "cache_dir=x",
    "pretrained_strict=False",
    "features_only=True",
    "scriptable=True",
    "num_classes=7",
    "in_chans=2",
    "device=cpu",
    "model_name=x",
]


def special(kind: str, path: str) -> Callable[[], None]:
    """Put a pipe, a socket or a link to a device where a file is expected."""

    def put() -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "socket":
            with socket.socket(socket.AF_UNIX) as bound:
                bound.bind(path)
        else:
            Path(path).symlink_to("/dev/zero")

    return put


def settings() -> list[tuple[str, str]]:
    """Return the options of `repdyn train` with a wrong value, and what the message names."""
    found = [(n, v) for n, own in FLOATS.items() for v in (*NOT_NUMBERS, *own)]
    found += [(n, v) for n in COUNTS for v in (*NOT_NUMBERS, "1" + "0" * 12)]
    found.remove(("checkpoints", "1,5"))  # a list of epochs
    found += [(n, v) for n in CHOICES for v in ("''", "nothing", "None")]
    found += [("arch-arg", v) for v in RESERVED]
    found += [
        ("arch", f"{place}x") for place in ("hf-hub:", "hf_hub:", "local-dir:", "timm/", "../")
    ]
    found += [
        ("layers", v) for v in ("'('", "'['", "'*'", "a{99999999999}", "'" + "(" * 2000 + "'")
    ]
    found += [(n, "x" * 100_000) for n in ("run-name", "experiment", "dataset", "arch", "layers")]
    return [(f"train --{name}={value}", f"--{name}") for name, value in found]
