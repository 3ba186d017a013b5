"""Callbacks that measure the trainings of other frameworks; each is imported by its own name."""
