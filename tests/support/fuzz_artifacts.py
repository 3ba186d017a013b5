"""Fuzzes the readers of artifacts with libFuzzer, guided by the lines that inputs reach.

    python -m tests.support.fuzz_artifacts [--target=PATH] -runs=100000 CORPUS

The first byte of an input chooses the file that the rest stands for.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

import atheris  # type: ignore[import-untyped]  # it has no types

READERS = [
    *(f"repdyn.storage.{name}" for name in ("codec", "decoding", "bundle")),
    *(f"repdyn.storage.delivery.{name}" for name in ("queue_folder", "operations")),
    *("repdyn.runs.state_file", "repdyn.runs.state_check", "repdyn.runs.saving"),
    "repdyn.runs.optimizer_check",
    *(f"repdyn.settings.{name}" for name in ("schema", "text", "yaml_file")),
    *("repdyn.checks", "repdyn.measures.settings"),
    "tui.actions",
]
for _name in READERS:
    if find_spec(_name) is None:  # atheris would pass it over, and be guided by nothing
        raise ModuleNotFoundError(_name)

with atheris.instrument_imports(include=READERS):
    from tests.support.fuzz_targets import read_as_a_user, targets
    from tests.support.other_fuzz_targets import other_targets

ONLY = "--target="
"""Names the one reader that is fuzzed; without it, all of a run's arrays and JSON are, which is fast."""

WANTED = [argument[len(ONLY) :] for argument in sys.argv if argument.startswith(ONLY)]
TARGETS = [each for each in other_targets() if each.path in WANTED] if WANTED else targets()


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
    atheris.Setup([a for a in sys.argv if not a.startswith(ONLY)], one_input)
    atheris.Fuzz()
