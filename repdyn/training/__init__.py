"""The training loop, and at which epochs it is measured."""
