"""What is stored in MLflow, and how it is read back."""
