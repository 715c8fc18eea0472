"""Every kind of store of ``files``, on a server on loopback."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from tests.connectors.files.azure import azure
from tests.connectors.files.gcs import gcs
from tests.connectors.files.shares import smb
from tests.connectors.files.stores import Place, s3, sftp, webdav


def _gcs(folder: Path) -> Place:
    stack = ExitStack()
    return stack.enter_context(gcs()).place(stack=stack)


def _azure(folder: Path) -> Place:
    stack = ExitStack()
    return stack.enter_context(azure()).place(stack=stack)


PLACES: dict[str, Callable[[Path], Place]] = {
    "azure": _azure,
    "gcs": _gcs,
    "s3": lambda folder: s3(),
    "sftp": sftp,
    "smb": smb,
    "webdav": webdav,
}
