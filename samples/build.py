"""Make the sample company's PDF, DOCX, PPTX and XLSX files from their sources.

    python samples/build.py            writes samples/company/
    python samples/build.py --check    writes nothing; exit status 1 if a committed file differs

`sources/people/parental-leave.pdf.md` becomes `company/people/parental-leave.pdf`: the first suffix names the kind.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from rendering import pdf, sheet, slides, word

_HERE = Path(__file__).resolve().parent
_RENDERERS = {".pdf": pdf.render, ".docx": word.render, ".pptx": slides.render, ".xlsx": sheet.render}


def build(sources: Path) -> Iterator[tuple[Path, bytes]]:
    """Each source below ``sources`` as (path relative to the company's root, content), in order of path.

    Raises ``KeyError`` for a kind that has no renderer, ``ValueError`` for a source that cannot be shown.
    """
    for source in sorted(path for path in sources.rglob("*") if path.is_file()):
        target = source.relative_to(sources).with_suffix("")
        yield target, _RENDERERS[target.suffix](source.read_text(encoding="utf-8"))


def main() -> int:
    """Write the files, or with ``--check`` compare them; gives the exit status."""
    parser = argparse.ArgumentParser(description="Make the sample company's binary files from their sources.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is not what would be made")
    parser.add_argument("--sources", type=Path, default=_HERE / "sources", help="default: samples/sources")
    parser.add_argument("--company", type=Path, default=_HERE / "company", help="default: samples/company")
    arguments = parser.parse_args()
    stale = 0
    for path, content in build(arguments.sources):
        file: Path = arguments.company / path
        if file.is_file() and file.read_bytes() == content:
            continue
        stale += 1
        print(f"{'differs' if arguments.check else 'wrote'}: {path}")
        if not arguments.check:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    return 1 if arguments.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
