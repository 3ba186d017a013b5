"""Python processes forked from one that has loaded torch, timm and MLflow, which takes many seconds.

Apart from that they are as `python -u` starts them: arguments, folder, environment, streams and
signals are their own, `__main__` is what they run, and at the end the interpreter exits.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from select import select
from typing import IO

PRELOADED = ("repdyn.cli.train", "repdyn.runs.train", "repdyn.report.text", "repdyn.storage.reader")
ROOT = Path(__file__).parents[2]


class ForkedProcess:
    """A process, with the part of `subprocess.Popen`'s interface that tests need.

    Args:
        arguments: as those of python: `-m module ...` or `-c code ...`.
        cwd: its folder.
        env: its whole environment.
    """

    def __init__(self, arguments: Sequence[str], cwd: Path, env: Mapping[str, str]) -> None:
        request, writes_request = os.pipe()
        self._status, writes_status = os.pipe()
        stdin, writes_stdin = os.pipe()
        reads_stdout, stdout = os.pipe()
        reads_stderr, stderr = os.pipe()
        theirs = [request, writes_status, stdin, stdout, stderr]
        socket.send_fds(_server(), [b"f"], theirs)
        for descriptor in theirs:
            os.close(descriptor)
        self.stdin: IO[str] = os.fdopen(writes_stdin, "w")
        self.stdout: IO[str] = os.fdopen(reads_stdout)
        self.stderr: IO[str] = os.fdopen(reads_stderr)
        with os.fdopen(writes_request, "w") as told:
            json.dump({"arguments": list(arguments), "cwd": str(cwd), "env": dict(env)}, told)
        self.args = list(arguments)
        self.pid = int(os.read(self._status, 100))
        self._code: int | None = None

    @property
    def returncode(self) -> int:
        """The exit code of a process that has ended, negative for a signal."""
        assert self._code is not None
        return self._code

    def poll(self) -> int | None:
        """Return the exit code; None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; returns the exit code."""
        if self._code is None:
            if not select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self._code = int(os.read(self._status, 100))
            os.close(self._status)
        return self._code

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Close its input and wait for its end; returns the rest of what it printed."""
        with contextlib.suppress(BrokenPipeError):
            self.stdin.close()
        with ThreadPoolExecutor(2) as readers:
            printed = [readers.submit(stream.read) for stream in (self.stdout, self.stderr)]
            try:
                self.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()  # else its streams would not end
                raise
            out, error = (each.result() for each in printed)
        self.stdout.close()
        self.stderr.close()
        return out, error

    def send_signal(self, sent: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, sent)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> ForkedProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.wait()
        for stream in (self.stdin, self.stdout, self.stderr):
            with contextlib.suppress(BrokenPipeError):
                stream.close()


def run(
    arguments: Sequence[str], cwd: Path, env: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run a process to its end, as `subprocess.run` does."""
    with ForkedProcess(arguments, cwd, env) as process:
        out, error = process.communicate(timeout)
    return subprocess.CompletedProcess(arguments, process.returncode, out, error)


@cache
def _server() -> socket.socket:
    """Start the process that the others are forked from; it ends with this one."""
    ours, theirs = socket.socketpair()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "tests.support.forked", str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        cwd=ROOT,
        env=environment,
        start_new_session=True,  # Ctrl-C is for pytest
    )
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def _preload() -> dict[str, str]:
    """Import what takes long; returns the variables that the modules set as they are imported."""
    before = dict(os.environ)
    for name in PRELOADED:
        importlib.import_module(name)
    return {name: value for name, value in os.environ.items() if before.get(name) != value}


def _serve(control: socket.socket) -> list[int] | None:
    """Fork a process for each request; in it, returns the descriptors that came with the request."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who keep the processes
    while True:
        asked, descriptors, _, _ = socket.recv_fds(control, 1, 5)
        if not asked:
            return None
        if os.fork() == 0:
            control.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return _kept(descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _kept(descriptors: list[int]) -> list[int]:
    """Fork the process itself; tells its pid, waits for its end and tells its exit code."""
    status = descriptors[1]
    pid = os.fork()
    if pid == 0:
        os.close(status)
        return descriptors
    for descriptor in descriptors:
        if descriptor != status:
            os.close(descriptor)
    os.write(status, f"{pid}\n".encode())
    _, code = os.waitpid(pid, 0)
    with contextlib.suppress(BrokenPipeError):
        os.write(status, f"{os.waitstatus_to_exitcode(code)}\n".encode())
    os._exit(0)


def _become(descriptors: list[int], preset: Mapping[str, str]) -> None:
    """Run what was asked for, as python would; `preset` are variables that imported modules set."""
    with os.fdopen(descriptors[0]) as request:
        asked = json.load(request)
    for stream, descriptor in enumerate(descriptors[2:]):
        os.dup2(descriptor, stream)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update({**preset, **asked["env"]})
    os.chdir(asked["cwd"])
    kind, what, *rest = asked["arguments"]
    if kind == "-m":
        sys.argv = [what, *rest]
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        sys.argv = ["-c", *rest]
        exec(what, {"__name__": "__main__"})  # a test's own code


if __name__ == "__main__":
    preset = _preload()
    served = _serve(socket.socket(fileno=int(sys.argv[1])))
    if served is not None:
        _become(served, preset)
