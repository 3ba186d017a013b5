"""Who gets how many threads while probes are fitted."""

import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from repdyn.measures.threads import few_blas_threads


def blas_threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.mark.parametrize(("numbers", "threads"), [(1000 * 512, 1), (1000 * 16384, 2)])
def test_small_products_get_one_thread_and_torch_keeps_its_own(numbers: int, threads: int) -> None:
    of_torch = torch.get_num_threads()
    with threadpool_limits(2, user_api="blas"):
        with few_blas_threads(numbers):
            assert blas_threads() == {threads}
            assert torch.get_num_threads() == of_torch
        assert blas_threads() == {2}
