"""The training loop, and the epochs at which the model is measured."""
