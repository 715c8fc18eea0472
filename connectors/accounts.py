"""Which account of a source is which user: every account is a group of one, so that rules never depend on the answer.

A document's clause names the account as the source does, ``group:<issuer>/account.583231``. Who is in that group,
``memberships`` tells: the user that the configuration names for it, or that an issuer of tokens knows by the same id.
An account that nobody is known for is an empty group, which lets nobody in; once it is known who it is, the next access
sync puts them in, and no document is touched.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from connectors.declared import principal
from connectors.protocol import Membership
from vouch.core.types import Principal

_PLAIN = re.compile(r"[A-Za-z0-9._~+=-]{1,100}")
_ISSUER = r"[a-z0-9][a-z0-9.-]{0,63}"

Issuer = Annotated[str, Field(pattern=f"^{_ISSUER}$")]
"""Under which a configuration has the accounts and groups of its source."""


class People(BaseModel):
    """How accounts of a source are users here: one by one, or all of them by an issuer that uses the same ids."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    named: dict[str, str] = Field(
        default_factory=dict,
        max_length=50_000,
        description='Users by account, `{"583231": "user:carol"}`: by its id, or by an e-mail address that the source'
        " vouches for.",
    )
    issuer: str | None = Field(
        None, description="An issuer whose users have the ids of the accounts: `entra` for `user:entra/<account id>`."
    )

    @field_validator("named")
    @classmethod
    def _users(cls, value: dict[str, str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for account, text in value.items():
            user = principal(text)
            if not user.startswith("user:"):
                raise ValueError(f"{text!r} is not a user")
            if found.setdefault(_key(account), user) != user:
                raise ValueError(f"{account!r} is named twice")
        return found

    @field_validator("issuer")
    @classmethod
    def _issuer(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(_ISSUER, value):
            raise ValueError("not the name of an issuer")
        return value


@dataclass(frozen=True, slots=True)
class Account:
    """One account of a source. ``email`` only where the source has verified it."""

    id: str
    email: str | None = None
    active: bool = True


class Accounts:
    """The accounts and groups of a source, under the issuer that its configuration names."""

    def __init__(self, issuer: str, people: People) -> None:
        self._issuer, self._people = issuer, people

    def account(self, id: str) -> str:
        """The principal of an account in a clause."""
        return self.group("account", id)

    def group(self, kind: str, id: str) -> str:
        """The principal of a group of the source; ``kind`` keeps teams, roles and accounts with the same id apart."""
        return f"group:{self._issuer}/{kind}.{_name(id)}"

    def members(self, accounts: Iterable[Account]) -> Iterator[Membership]:
        """Who is who, of those that are active and known."""
        for account in accounts:
            user = self._user(account)
            if user is not None:
                yield Membership(self.account(account.id), user)

    def _user(self, account: Account) -> str | None:
        if not account.active:
            return None
        named = self._people.named
        found = named.get(_key(account.id)) or (named.get(_key(account.email)) if account.email else None)
        if found is None and self._people.issuer is not None and _PLAIN.fullmatch(account.id):
            found = str(Principal("", "user", self._people.issuer, account.id))
        return found


def _key(text: str) -> str:
    """Addresses are compared without regard to case, ids as they are."""
    return text.strip().lower() if "@" in text else text.strip()


def _name(id: str) -> str:
    """``id`` as part of a principal; what does not fit in, by its digest, which nothing else has."""
    if _PLAIN.fullmatch(id) and not id.startswith("sha256-"):
        return id
    digest = hashlib.sha256(id.encode("utf-8", "surrogatepass")).hexdigest()  # JSON may bring half a character
    return f"sha256-{digest}"
