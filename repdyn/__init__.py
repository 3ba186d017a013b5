"""How representations form while a network trains."""
