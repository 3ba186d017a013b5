"""The model that a loop of its own trains, without wrappers and with all its weights."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from repdyn.errors import UserError
from repdyn.layers import unwrapped
from repdyn.runs.ranks import Ranks, is_sharded, whole_weights


class MeasuredModel:
    """The model that is trained, and how it is measured.

    Attributes:
        model: to measure, without wrappers; None for features.
    """

    def __init__(self, model: nn.Module | None, copy: nn.Module | None) -> None:
        self.model = model
        self._copy = copy

    @classmethod
    def of(
        cls, model: nn.Module | None, make_model: Callable[[], nn.Module] | None
    ) -> MeasuredModel:
        """Unwrap a model; `make_model` returns it unsharded.

        Raises:
            UserError: it is sharded, and there is no `make_model`.
        """
        if model is None:
            return cls(None, None)
        if not is_sharded(model):
            return cls(unwrapped(model), None)
        if make_model is None:
            raise UserError(
                "the model's weights are sharded; give make_model, which returns it unsharded"
            )
        return cls(model, make_model())

    @property
    def name(self) -> str:
        """The default name of a run: the model's class."""
        return "features" if self.layout is None else type(self.layout).__name__

    @property
    def layout(self) -> nn.Module | None:
        """A model with the layers of the one that is measured."""
        return self.model if self._copy is None else self._copy

    def whole(self, ranks: Ranks) -> nn.Module | None:
        """Return the model with all its weights; None in other processes than rank zero."""
        if self._copy is None or self.model is None:
            return self.model
        weights = whole_weights(self.model)
        if not ranks.is_zero:
            return None
        self._copy.load_state_dict(weights)
        return self._copy
