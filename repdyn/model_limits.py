"""Size limits for a model while it is being built, whatever its arguments."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)

from repdyn.errors import UserError
from repdyn.memory import gigabytes

MOST_MODULES = 20_000
"""timm's largest models have some 5,000."""


@contextmanager
def limited(most: int) -> Iterator[None]:
    """Stop a model from being built when it has too many modules or weights.

    Args:
        most: maximum bytes of its parameters and buffers together.

    Raises:
        UserError: the model is too large.
    """
    modules = taken = 0

    def count(_parent: nn.Module, _name: str, _child: nn.Module | None) -> None:
        nonlocal modules
        modules += 1
        if modules > MOST_MODULES:
            raise UserError(f"the model has more than {MOST_MODULES:,} modules; reduce its depth")

    def add(_parent: nn.Module, _name: str, tensor: Tensor | None) -> None:
        nonlocal taken
        taken += 0 if tensor is None else tensor.numel() * tensor.element_size()
        if taken > most:
            raise UserError(
                f"the model's weights need more than the {gigabytes(most)} of memory available; "
                "use a smaller `arch`, `width` or `arch_arg`"
            )

    hooks = (
        register_module_module_registration_hook(count),
        register_module_parameter_registration_hook(add),
        register_module_buffer_registration_hook(add),
    )
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
