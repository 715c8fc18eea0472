"""``python -m retrieval.prompts lock``: release the prompts that are new. What is released already never changes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from retrieval.prompts.lock import FOLDER, add
from vouch.core.errors import BadPrompt


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 1 when a released prompt is not as it was."""
    parser = argparse.ArgumentParser(
        prog="python -m retrieval.prompts", description="Release the prompts that are new."
    )
    parser.add_argument("verb", choices=["lock"], help="add what is not in the lock yet")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the prompts are (default: our own)")
    given = parser.parse_args(arguments)
    try:
        new = add(given.folder)
    except BadPrompt as error:
        print(f"error: {error.detail}", file=sys.stderr)
        return 1
    print("\n".join(f"released {version}" for version in new) or "nothing is new")
    return 0


if __name__ == "__main__":
    sys.exit(main())
