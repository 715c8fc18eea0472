"""The command line, which puts every other room together. Nothing heavy is imported before a command needs it."""

from __future__ import annotations


def main() -> None:
    """Run one command and exit."""
    from vouch.core import startup

    startup.loading()
    from vouch.cli.main import main as run  # here: whoever imports another module of the room needs no commands

    startup.loaded()
    run()
