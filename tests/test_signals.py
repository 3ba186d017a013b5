"""Signals that come before a training takes them, or after."""

import os
import signal

import pytest

from repdyn.signals import Terminated, taken


def test_sigterm_ends_a_command_as_ctrl_c_does() -> None:
    with pytest.raises(KeyboardInterrupt) as raised, taken():
        os.kill(os.getpid(), signal.SIGTERM)
    assert raised.type is Terminated


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="no such signal here")
def test_sigusr1_passes_by() -> None:
    with taken():
        os.kill(os.getpid(), signal.SIGUSR1)


def test_afterwards_signals_do_what_they_did() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with taken():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
