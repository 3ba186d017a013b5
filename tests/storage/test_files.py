"""Files are whole or absent, on a full disk too."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from repdyn.errors import UserError
from repdyn.storage import files


def refuse(number: int) -> None:
    raise OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, UserError), (errno.EDQUOT, UserError), (errno.EIO, OSError)]
)
def test_what_cannot_be_written_leaves_the_old_file(
    number: int, kind: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "grams" / "epoch_00001.npy"
    files.write_whole(path, b"old")
    monkeypatch.setattr(os, "fsync", lambda _: refuse(number))
    monkeypatch.setattr(files, "_free", lambda _: 3)
    with pytest.raises(kind) as raised:
        files.write_whole(path, b"newer")
    assert path.read_bytes() == b"old"
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    if kind is UserError:
        assert f"{path}: the disk is full, 2 more bytes are needed" in str(raised.value)


def test_a_file_is_replaced_and_readable_for_others(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.json"
    for content in (b"1", b"22"):
        files.write_whole(path, content)
        assert path.read_bytes() == content
    assert path.stat().st_mode & 0o777 == 0o644


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "grams" / "epoch_00001.npy"
    files.write_whole(path, b"old")
    (tmp_path / "grams" / ".theirs.npy").write_bytes(b"not ours")
    script = f"""
import os, pathlib
from repdyn.storage import files
os.fsync = lambda _: os.kill(os.getpid(), 9)
files.write_whole(pathlib.Path({str(path)!r}), b"newer")
"""
    killed = subprocess.run([sys.executable, "-c", script], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list(path.parent.iterdir())) == 3
    files.remove_unfinished(tmp_path)
    assert path.read_bytes() == b"old"
    assert {file.name for file in path.parent.iterdir()} == {path.name, ".theirs.npy"}
