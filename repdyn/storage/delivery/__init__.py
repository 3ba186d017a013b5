"""What is sent to a store, in order, off the training thread."""
