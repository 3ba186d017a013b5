"""When a training saves its state, and how signals stop it."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from types import FrameType, TracebackType
from typing import Any

from repdyn.errors import UserError
from repdyn.measures.recorder import Recorder
from repdyn.runs import state_file
from repdyn.signals import Terminated
from repdyn.storage import schema
from repdyn.training.loop import Trainer

Handler = Callable[[int, FrameType | None], None]

SAVE_SECONDS = 60.0
"""Seconds of work that may be lost if save_every is not given."""

FORMAT = 4
"""Version of the saved state."""

OLDER_FORMAT = 3
"""Still read, except the probes: their solver starts from zero at the next checkpoint."""


class Saver:
    """Saves a training's state periodically, and when a signal asks for it.

    As a context manager it handles the signals: after SIGINT or SIGTERM the training stops when its
    step is done, and the state is saved; a second SIGINT stops it at once, a second SIGTERM does
    nothing. After SIGUSR1, which Slurm can send before the time limit, the state is saved and
    training continues.

    Args:
        save: saves the state.
        every: number of epochs; None to save every SAVE_SECONDS.
    """

    def __init__(self, save: Callable[[], None], every: int | None) -> None:
        self._save = save
        self._every = every
        self._saved = time.monotonic()
        self._asked = False
        self._stop: type[KeyboardInterrupt] | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Saver:
        handlers: dict[signal.Signals, Handler] = {
            signal.SIGINT: self._on_stop,
            signal.SIGTERM: self._on_stop,
        }
        if hasattr(signal, "SIGUSR1"):
            handlers[signal.SIGUSR1] = self._on_ask
        self._before = {one: signal.signal(one, handler) for one, handler in handlers.items()}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for one, handler in self._before.items():
            # a run that is already ending is not cut short by a repeated signal
            if self._stop is None or one == signal.SIGINT:
                signal.signal(one, handler)

    def after_step(self) -> None:
        """Save if it is time, and stop if requested.

        Raises:
            KeyboardInterrupt: a signal asked to stop; the state is saved.
        """
        late = self._every is None and time.monotonic() - self._saved > SAVE_SECONDS
        if late or self._asked or self._stop is not None:
            self._now()
        if self._stop is not None:
            raise self._stop

    def after_epoch(self, epoch: int) -> None:
        """Do the same as after a step, and save every `every` epochs."""
        if self._every is not None and epoch % self._every == 0:
            self._now()
        self.after_step()

    def _now(self) -> None:
        self._asked = False
        self._save()
        self._saved = time.monotonic()

    def _on_stop(self, number: int, _frame: FrameType | None) -> None:
        if self._stop is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._stop = Terminated if number == signal.SIGTERM else KeyboardInterrupt

    def _on_ask(self, _number: int, _frame: FrameType | None) -> None:
        self._asked = True


def encode_state(trainer: Trainer, recorder: Recorder, seconds: Mapping[str, float]) -> bytes:
    """Return everything needed to resume a training, except its stored checkpoints."""
    return state_file.encode(
        {
            "format": FORMAT,
            "trainer": trainer.state(),
            "recorder": recorder.state(),
            "seconds": dict(seconds),
        }
    )


def decode_state(content: bytes) -> dict[str, Any]:
    """Return a state that was saved.

    Raises:
        UserError: it is damaged or has an unknown format.
    """
    try:
        state = state_file.decode(content)
        known = state["format"] in (FORMAT, OLDER_FORMAT)
        if known and not _is_sound(state):
            raise ValueError("unexpected content")
    except Exception:  # safetensors and json may raise anything on malformed bytes
        raise UserError(f"{schema.LAST_STATE}: is damaged; train a new run") from None
    if not known:
        raise UserError(
            f"{schema.LAST_STATE}: was saved by a different repdyn version; "
            "use that, or train a new run"
        )
    if state["format"] == OLDER_FORMAT:
        return dict(state) | {"recorder": {}}
    return dict(state)


def _is_sound(state: Mapping[str, Any]) -> bool:
    """Return whether a state has the parts that are used before it is loaded."""
    epoch, seconds = state["trainer"]["epoch"], state["seconds"]
    counted = all(isinstance(name, str) and isinstance(s, float) for name, s in seconds.items())
    return type(epoch) is int and counted and isinstance(state["recorder"], dict)
