"""Which process writes a run, and whether it still lives."""
