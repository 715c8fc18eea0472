"""The command line, which puts every other room together. Nothing heavy is imported before a command needs it."""

from vouch.cli.main import main

__all__ = ["main"]
