"""The threads of numpy's and scipy's BLAS, which wait for work in turns with torch's."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache

from threadpoolctl import ThreadpoolController

_SMALL = 2**22
"""Numbers of a matrix; up to so many, products by one thread take less time than by several."""


def few_blas_threads(numbers: int) -> AbstractContextManager[object]:
    """Give products with a matrix of so many numbers one thread if it is small.

    OpenBLAS's threads and torch's each spin for a while when they have nothing to do, on the cores
    that the others need: of small products, as many as a probe's solver makes, several threads take
    up to thirty times as long. Torch's own threads are left as they are.
    """
    limit = 1 if numbers <= _SMALL else None
    limited: AbstractContextManager[object] = _controller().limit(limits=limit, user_api="blas")
    return limited


@cache
def _controller() -> ThreadpoolController:
    """Return what knows the libraries that are loaded; looking for them takes milliseconds."""
    return ThreadpoolController()
