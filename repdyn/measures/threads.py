"""The BLAS threads of numpy and scipy, which compete with torch's while they wait for work."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache

from threadpoolctl import ThreadpoolController

_SMALL = 2**22
"""Matrix size up to which a product takes less time with one thread than with several."""


def few_blas_threads(numbers: int) -> AbstractContextManager[object]:
    """Use one thread for products with a matrix of this many numbers, if it is small.

    Idle OpenBLAS and torch threads spin for a while on cores that the others need: with several
    threads, many small products, such as a probe's solver makes, take up to thirty times as long.
    Torch's own threads are left as they are.
    """
    limit = 1 if numbers <= _SMALL else None
    limited: AbstractContextManager[object] = _controller().limit(limits=limit, user_api="blas")
    return limited


@cache
def _controller() -> ThreadpoolController:
    """Return the controller of the loaded libraries, cached: finding them takes milliseconds."""
    return ThreadpoolController()
