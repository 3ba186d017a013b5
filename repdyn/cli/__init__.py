"""The command line: the app, and one module a command that parses, calls runs/ and prints."""

from repdyn.cli.app import main

__all__ = ["main"]
