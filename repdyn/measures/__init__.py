"""What is computed from one model at one checkpoint, and grown over checkpoints."""
