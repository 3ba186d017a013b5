"""Keeps what is needed of earlier checkpoints: the first in memory, later ones in a memory-mapped file."""

from __future__ import annotations

import mmap
import tempfile
import weakref
from collections.abc import Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from repdyn.errors import UserError

KEPT_IN_MEMORY = 2**30
"""Bytes of summaries and label maps of earlier checkpoints that stay in memory."""

_SEGMENT = 2**26
"""Least bytes that are mapped at once."""

_ALIGNED = 64
"""Arrays in the file begin at multiples of this."""


class Shelf:
    """Keeps arrays of all checkpoints and measures of a run.

    Those beyond a number of bytes are appended to a file without a name, which is removed with this
    object. They can be read like any array: the system loads the pages that are read, and drops them
    when memory is needed. Each segment that is mapped is a quarter of those before it, so that a
    thousand checkpoints need a few dozen file descriptors.

    Args:
        most: bytes in memory; default: KEPT_IN_MEMORY.

    Attributes:
        in_memory, in_file: bytes kept so far.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = KEPT_IN_MEMORY if most is None else most
        self.in_memory = self.in_file = 0
        self._file: IO[bytes] | None = None
        self._segment = np.zeros(0, np.uint8)
        self._start = self._used = 0

    def keep(self, arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Return arrays of one shape and type with the same content, as they are kept; not writable.

        Raises:
            UserError: neither memory nor the folder of temporary files has enough space.
        """
        size = sum(array.nbytes for array in arrays)
        if not self.in_file and self.in_memory + size <= self._most:
            self.in_memory += size
            return list(arrays)
        try:
            return list(self._written(arrays, size)) if size else list(arrays)
        except OSError as error:
            raise UserError(
                f"{tempfile.gettempdir()}: what is kept of the checkpoints, more than "
                f"{self._most >> 30} GiB, does not fit there ({error.strerror}); free some space, "
                "or set TMPDIR to a folder with enough"
            ) from error

    def _written(self, arrays: Sequence[NDArray[Any]], size: int) -> NDArray[Any]:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="repdyn-rows-")  # noqa: SIM115 (open as long as this object)
            weakref.finalize(self, self._file.close)
        if self._used + size > len(self._segment):
            self._map_more(self._file, size)
        self._file.seek(self._start + self._used)
        for array in arrays:  # written, not copied into the mapping: a full disk is an error then
            self._file.write(np.ascontiguousarray(array).data)
        self._file.flush()
        kept = self._segment[self._used : self._used + size]
        self._used += -(-size // _ALIGNED) * _ALIGNED
        self.in_file += size
        return kept.view(arrays[0].dtype).reshape(len(arrays), *arrays[0].shape)

    def _map_more(self, file: IO[bytes], size: int) -> None:
        """Map a further part of the file, which takes no disk space before it is written."""
        grain = mmap.ALLOCATIONGRANULARITY
        self._start += -(-len(self._segment) // grain) * grain
        length = -(-max(size, _SEGMENT, self._start // 4) // grain) * grain
        file.truncate(self._start + length)
        mapped = mmap.mmap(file.fileno(), length, access=mmap.ACCESS_READ, offset=self._start)
        self._segment = np.frombuffer(mapped, np.uint8)
        self._used = 0
