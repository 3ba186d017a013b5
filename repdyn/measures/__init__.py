"""What is computed from a model at each checkpoint, and accumulated over checkpoints."""
