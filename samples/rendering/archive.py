"""Office files are zip archives: rewritten with one date, one order and no compression."""

from __future__ import annotations

import re
import zipfile
from datetime import datetime
from io import BytesIO

_EPOCH = (1980, 1, 1, 0, 0, 0)
_CORE = "docProps/core.xml"
_STAMP = re.compile(rb"(<dcterms:(created|modified)[^>]*>)[^<]*")


def settle(package: bytes, moment: datetime) -> bytes:
    """``package`` with the same parts in sorted order, every date in it set to ``moment`` or the zip epoch.

    ``[Content_Types].xml`` sorts first, as readers expect. The core properties are stamped here because
    openpyxl writes the time of saving into them.
    """
    stamp = rb"\g<1>" + moment.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    settled = BytesIO()
    with zipfile.ZipFile(BytesIO(package)) as old, zipfile.ZipFile(settled, "w", zipfile.ZIP_STORED) as new:
        for name in sorted(old.namelist()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = 3
            content = old.read(name)
            new.writestr(entry, _STAMP.sub(stamp, content) if name == _CORE else content)
    return settled.getvalue()
