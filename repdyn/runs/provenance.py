"""Records what a run is trained with, as it starts; never fails a run.

See storage/provenance.py for how it is stored.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from repdyn.redaction import redact_command
from repdyn.storage.provenance import Provenance

PACKAGES = ("repdyn", "torch", "timm", "mlflow", "numpy")
LOOPS = ("lightning", "transformers")
"""Packages whose versions matter only to programs that have imported them."""

GIT_SECONDS = 2.0
"""Time limit of git, for both of its commands together: a folder on a network may hang."""

GIT = ("git", "-c", "core.fsmonitor=false")
"""Without a program that the repository's settings may name."""


class CommandLine:
    """The command line to record: of this process, or the one that has started it elsewhere."""

    started_by = ""

    @classmethod
    def text(cls) -> str:
        """Return it without secrets."""
        return cls.started_by or redact_command(_words(sys.orig_argv, Path.cwd()))


def _words(argv: Sequence[str], folder: Path) -> list[str]:
    """Return a command line as one would type it: `repdyn train`, `python train.py --lr 0.1`."""
    names = [Path(word).name for word in argv[:2]]
    if names[1:] == ["repdyn"]:
        return ["repdyn", *argv[2:]]
    rest = [word.removeprefix(f"{folder}{os.sep}") for word in argv[1:]]
    return [*names[:1], *rest]


def provenance() -> Provenance:
    """Return what this process trains with, except the device; what cannot be found is left out."""
    started, versions, command = datetime.now(UTC).isoformat(timespec="seconds"), {}, ""
    with suppress(Exception):
        versions = _versions()
    with suppress(Exception):
        command = CommandLine.text()
    commit, dirty = _git_state()
    return Provenance(started, versions, command, commit, dirty)


def _versions() -> dict[str, str]:
    found = {}
    for name in (*PACKAGES, *(loop for loop in LOOPS if loop in sys.modules)):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found | {"python": platform.python_version()}


def _git_state() -> tuple[str, bool | None]:
    """Return the commit of the working folder's repository, and whether it has other changes.

    In a thread of its own: a process that waits for a dead disk cannot even be killed.
    """
    found: list[str] = []
    thread = threading.Thread(target=_ask_git, args=(found,), daemon=True)
    thread.start()
    thread.join(GIT_SECONDS + 0.5)
    commit, changes = [*found, None, None][:2]
    return commit or "", None if changes is None else bool(changes)


def _ask_git(found: list[str]) -> None:
    with suppress(Exception):
        for command in (
            ("rev-parse", "--verify", "HEAD"),
            ("status", "--porcelain", "--untracked-files=no"),
        ):
            done = subprocess.run(  # noqa: S603 - a fixed command
                [*GIT, *command],
                capture_output=True,
                text=True,
                errors="replace",
                check=True,
                timeout=GIT_SECONDS / 2,
                env=os.environ | {"GIT_OPTIONAL_LOCKS": "0"},
            )
            found.append(done.stdout.strip())


@cache
def device_name(device: torch.device) -> str:
    """Return a device with its name, `cuda (NVIDIA H100 80GB HBM3)`; never fails."""
    name = ""
    with suppress(Exception):
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
        name = _processor() if device.type == "cpu" else name
    return f"{device.type} ({name})" if name else device.type


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
