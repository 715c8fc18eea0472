"""Secrets that are kept: sealed by envelope encryption, so that a key can be changed without knowing what it guards.

Each value has a data key of its own (AES-256-GCM), and that key is wrapped by a key-encryption key, which is named in
the sealed form by its id. Both layers are bound to the place where the value belongs: moved to another tenant, source
or field it does not open. The key-encryption keys are in ``seal.key`` in the data folder, or in ``VOUCH_SEAL_KEY``.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vouch.core.errors import BadConfig, SealBroken, StartFailed
from vouch.core.settings import Settings
from vouch.core.types import Json

_NONCE = 12
_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a secret belongs."""

    tenant: str
    owner: str
    """Whose it is, such as ``source:`` and the source's id."""
    field: str

    def binding(self, what: str) -> bytes:
        return json.dumps(["vouch", what, 1, self.tenant, self.owner, self.field]).encode()


class Keyring:
    """Key-encryption keys, the present one first."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = {key_id(key): key for key in keys}
        self.present = key_id(keys[0])

    def seal(self, text: str, place: Place) -> Json:
        """``text`` as it may be kept: ``key`` (the id), ``wrapped`` and ``value``, in base64."""
        data_key = AESGCM.generate_key(256)
        return {
            "key": self.present,
            "wrapped": _encrypted(self._keys[self.present], data_key, place.binding(f"key {self.present}")),
            "value": _encrypted(data_key, text.encode(), place.binding("value")),
        }

    def unseal(self, sealed: Json, place: Place) -> str:
        """What was sealed at ``place``. Raises :class:`SealBroken` for a value that was changed, or is from elsewhere,
        or whose key is gone."""
        return _decrypted(self._data_key(sealed, place), sealed.get("value"), place.binding("value")).decode()

    def rewrap(self, sealed: Json, place: Place) -> Json:
        """The same value under the present key; the value itself is not looked at. Raises as :meth:`unseal`."""
        data_key = self._data_key(sealed, place)
        wrapped = _encrypted(self._keys[self.present], data_key, place.binding(f"key {self.present}"))
        return {**sealed, "key": self.present, "wrapped": wrapped}

    def _data_key(self, sealed: Json, place: Place) -> bytes:
        named = sealed.get("key")
        key = self._keys.get(named) if isinstance(named, str) else None
        if key is None:
            raise SealBroken("A secret is sealed with a key that is not here; tell the secret again.")
        return _decrypted(key, sealed.get("wrapped"), place.binding(f"key {named}"))


def key_id(key: bytes) -> str:
    """What a key is called: tells keys apart, and nothing of the key."""
    return hashlib.sha256(b"vouch sealing key" + key).hexdigest()[:16]


def keyring(settings: Settings) -> Keyring:
    """The keys as they are now: a rotation may have changed the file since the last look.

    Raises :class:`BadConfig` naming ``seal_key`` where there is none, :class:`StartFailed` for a file that others can
    read or that holds something else.
    """
    keys = given_keys(settings)
    if keys is None:
        path = key_file(settings)
        if not path.exists():
            raise BadConfig("There is no key to seal secrets with: VOUCH_SEAL_KEY is not set.", field="seal_key")
        keys = read_keys(path)
    return Keyring(keys)


def given_keys(settings: Settings) -> list[bytes] | None:
    """Those of ``VOUCH_SEAL_KEY``; None where it is not set."""
    if settings.seal_key is None:
        return None
    return [bytes.fromhex(part.strip()) for part in settings.seal_key.get_secret_value().split(",")]


def key_file(settings: Settings) -> Path:
    return settings.data_dir / "seal.key"


def make_key_file(path: Path) -> None:
    """A first key, unless there is one (mode 0600); it is checked in both cases. Raises :class:`StartFailed`."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        _write(descriptor, [AESGCM.generate_key(256)])
    read_keys(path)


def read_keys(path: Path) -> list[bytes]:
    """The keys of a file, the present one first. Raises :class:`StartFailed`."""
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise StartFailed(f"{path} can be read by others; make it private (chmod 600) or replace it.")
    lines = path.read_text().split()
    if not lines or not all(_KEY.fullmatch(line) for line in lines):
        raise StartFailed(f"{path} does not hold the keys that were written to it.")
    return [bytes.fromhex(line) for line in lines]


def replace_keys(path: Path, keys: Sequence[bytes]) -> None:
    """Write the file anew: whole or not at all, and on the disk before this returns."""
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    _write(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), keys)
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _write(descriptor: int, keys: Sequence[bytes]) -> None:
    with os.fdopen(descriptor, "w") as file:
        file.writelines(f"{key.hex()}\n" for key in keys)
        file.flush()
        os.fsync(descriptor)


def _encrypted(key: bytes, data: bytes, binding: bytes) -> str:
    nonce = os.urandom(_NONCE)
    return base64.b64encode(nonce + AESGCM(key).encrypt(nonce, data, binding)).decode("ascii")


def _decrypted(key: bytes, text: object, binding: bytes) -> bytes:
    try:
        raw = base64.b64decode(text if isinstance(text, str) else "", validate=True)
        return AESGCM(key).decrypt(raw[:_NONCE], raw[_NONCE:], binding)
    except (ValueError, InvalidTag):
        # From None: what was tried is nobody's to read.
        raise SealBroken("A secret does not open: it was changed, or is not of this place; tell it again.") from None
