"""CKA of whole networks, family by family, beside the same networks in float64 throughout."""

import pytest

from benchmarks.accuracy import AIM, FAMILIES, family_errors

EXACT = ("ConvNeXt", "Swin", "BEiT", "DeiT", "ResNetV2", "LeViT")
"""Families of which float32 forward passes leave room for the aim."""

LIMITED = ("RegNet", "EfficientNet", "CaiT")
"""Families whose float32 passes, or BatchNorm statistics from them, may miss the aim by themselves."""

IMAGES = 32


@pytest.mark.slow
@pytest.mark.parametrize("name", EXACT)
def test_cka_end_to_end_is_within_two_millionths_of_float64(name: str) -> None:
    errors, _ = family_errors(FAMILIES[name], IMAGES)
    assert errors["all"] < AIM


@pytest.mark.slow
@pytest.mark.parametrize("name", LIMITED)
def test_what_repdyn_adds_to_float32_passes_is_within_the_aim(name: str) -> None:
    """Errors of passes and statistics may add up or, where they compound, do a little worse."""
    errors, _ = family_errors(FAMILIES[name], IMAGES)
    assert max(errors[step] for step in ("folding", "gram", "rows", "products")) < AIM
    assert errors["all"] < AIM + 2 * (errors["statistics"] + errors["pass"])
