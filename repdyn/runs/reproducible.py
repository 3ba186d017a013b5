"""Cases in which the same seeds may not give the same numbers."""

from __future__ import annotations

from torch.nn.modules.conv import _ConvNd

from repdyn.runs.experiment import Experiment

NOTICE = (
    "`precision bf16` on a CPU with depthwise convolutions: the weights may differ from run to run; "
    "use fp32 if they must not"
)


def notice(experiment: Experiment) -> str:
    """Return one line if a training's numbers may differ from run to run, else an empty string.

    Observed only for a MobileNetV3's `conv_dw.weight` (torch's backward pass on the CPU).
    """
    if experiment.device.type != "cpu" or experiment.config.optim.precision != "bf16":
        return ""
    depthwise = any(
        isinstance(module, _ConvNd) and module.groups == module.in_channels > 1
        for module in experiment.sketch().modules()
    )
    return NOTICE if depthwise else ""
