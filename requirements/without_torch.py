"""Print a lock file without torch and what only its GPU builds need; the Makefile installs torch apart."""

import re
import sys
from pathlib import Path

APART = re.compile(r"^(torch|triton|nvidia-[a-z0-9-]+|cuda-[a-z0-9-]+)==")

keep = True
for line in Path(sys.argv[1]).read_text().splitlines():
    if not line.startswith(" "):
        keep = not APART.match(line)
    if keep:
        print(line)
