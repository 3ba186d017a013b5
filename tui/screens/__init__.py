"""The screens, and the views of a run."""
