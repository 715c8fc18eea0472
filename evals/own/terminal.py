"""The terminal that a review talks with: single keys, and a line to edit."""

from __future__ import annotations

import os
import readline
import sys
import termios
import tty


class OwnTerminal:
    """Standard input and error; standard output is left to results."""

    def key(self) -> str:
        """Without waiting for the end of a line; what was typed ahead counts."""
        before = termios.tcgetattr(sys.stdin)
        try:
            tty.setcbreak(sys.stdin, termios.TCSANOW)
            return os.read(sys.stdin.fileno(), 1).decode(errors="replace")
        except KeyboardInterrupt:
            return ""
        finally:
            termios.tcsetattr(sys.stdin, termios.TCSANOW, before)

    def edited(self, text: str) -> str:
        """``text`` in a line that can be changed."""
        readline.set_startup_hook(lambda: readline.insert_text(text))
        try:
            return input("  > ")
        except (EOFError, KeyboardInterrupt):
            return text
        finally:
            readline.set_startup_hook(None)

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)
