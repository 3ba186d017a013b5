"""Fuzzes the readers of artifacts with libFuzzer, guided by the lines that inputs reach.

    python -m tracking.fuzz_artifacts -runs=100000 CORPUS

The first byte of an input chooses the file that the rest stands for.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["repdyn.tracking.artifacts", "repdyn.tracking.decoding"]):
    from tracking.targets import read_as_a_user, targets

TARGETS = targets()


def one_input(data: bytes) -> None:
    if data:
        read_as_a_user(TARGETS[data[0] % len(TARGETS)], data[1:])


def write_corpus(folder: Path) -> None:
    """Write whole files, from which libFuzzer makes others."""
    folder.mkdir(exist_ok=True)
    for i, target in enumerate(TARGETS):
        (folder / f"{i}").write_bytes(bytes([i]) + target.content)


if __name__ == "__main__":
    write_corpus(Path(sys.argv[-1]))
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
