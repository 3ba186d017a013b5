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
"""Work that may be lost where --save-every says nothing."""

FORMAT = 4
"""Of the state that is saved."""

OLDER_FORMAT = 3
"""Of which only the probes are not used: their solver starts from zero at the next checkpoint."""


class Saver:
    """Saves a training's state now and then, and where a signal asks for it.

    As a context manager it takes the signals: after SIGINT or SIGTERM the training stops when its
    step is done, and the state is saved; a second SIGINT stops it at once, a second SIGTERM does
    nothing. After SIGUSR1, which Slurm can send ahead of the end, the state is saved and the
    training goes on.

    Args:
        save: saves the state.
        every: epochs, None for SAVE_SECONDS.
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
            # a run that is ending is not cut short by what has asked for that already
            if self._stop is None or one == signal.SIGINT:
                signal.signal(one, handler)

    def after_step(self) -> None:
        """Save if it is time, and stop if that was asked for.

        Raises:
            KeyboardInterrupt: a signal asked to stop; the state is saved.
        """
        late = self._every is None and time.monotonic() - self._saved > SAVE_SECONDS
        if late or self._asked or self._stop is not None:
            self._now()
        if self._stop is not None:
            raise self._stop

    def after_epoch(self, epoch: int) -> None:
        """Do as after a step, and save if so many epochs are done."""
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
    """Return all from which a training goes on; measured checkpoints are stored beside it."""
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
        UserError: it is damaged or of another format.
    """
    try:
        state = state_file.decode(content)
        known = state["format"] in (FORMAT, OLDER_FORMAT)
        if known and not _is_sound(state):
            raise ValueError("another content")
    except Exception:  # of safetensors and json: whatever strange bytes lead them to
        raise UserError(f"{schema.LAST_STATE}: is damaged; train anew") from None
    if not known:
        raise UserError(
            f"{schema.LAST_STATE}: was saved by another repdyn; use that, or train anew"
        )
    if state["format"] == OLDER_FORMAT:
        return dict(state) | {"recorder": {}}
    return dict(state)


def _is_sound(state: Mapping[str, Any]) -> bool:
    """Say whether a state has the parts that are looked at before it is loaded."""
    epoch, seconds = state["trainer"]["epoch"], state["seconds"]
    counted = all(isinstance(name, str) and isinstance(s, float) for name, s in seconds.items())
    return type(epoch) is int and counted and isinstance(state["recorder"], dict)
