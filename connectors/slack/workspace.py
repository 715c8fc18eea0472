"""A Slack workspace: its channels, its accounts, and who may read what of it.

A public channel is read by every full member of the workspace, and by guests and members of other workspaces who are
in it; a private one by its members alone. Both are groups of the source, so a clause never depends on who is in them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from connectors.accounts import Account, Accounts
from connectors.pace import PACE
from connectors.protocol import Membership
from connectors.slack.api import Slack
from connectors.slack.config import SlackConfig
from connectors.slack.text import Names, one_line
from vouch.core.errors import InvalidInput, NotFound, Unavailable
from vouch.core.types import AccessUnknown, RawClause, SourceAcl
from vouch.outbound.url import parse_url

_ID = r"^[A-Z][A-Z0-9]{1,31}$"
_PAGE = 200
_MEMBERS = 999
_MAX_NAME = 100
_NAMES_LAST_S = 600.0


class Channel(BaseModel):
    """A channel, as far as it is read. What does not say whether it is private is readable by nobody."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str = Field(pattern=_ID)
    name: str = ""
    is_private: bool | None = None
    is_member: bool = False
    is_archived: bool = False
    is_im: bool = False
    is_mpim: bool = False
    is_shared: bool = False
    is_ext_shared: bool = False
    is_org_shared: bool = False

    @property
    def access(self) -> str:
        return {True: "private", False: "public", None: "unknown"}[self.is_private]

    @property
    def has_strangers(self) -> bool:
        return self.is_shared or self.is_ext_shared or self.is_org_shared

    @property
    def shown(self) -> str:
        return one_line(self.name)[:_MAX_NAME] or self.id


class User(BaseModel):
    """An account. One that does not say that it is active, and no guest, is taken for one that is not."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str = Field(pattern=_ID)
    team_id: str | None = None
    name: str | None = None
    real_name: str | None = None
    deleted: bool | None = None
    is_bot: bool = False
    is_restricted: bool | None = None
    is_ultra_restricted: bool | None = None
    is_stranger: bool = False
    is_email_confirmed: bool = False
    profile: Any = None
    enterprise_user: Any = None

    @property
    def shown(self) -> str:
        profile = self.profile if isinstance(self.profile, dict) else {}
        for found in (profile.get("display_name"), profile.get("real_name"), self.real_name, self.name):
            if isinstance(found, str) and one_line(found):
                return one_line(found)[:_MAX_NAME]
        return self.id

    @property
    def is_active(self) -> bool:
        return self.deleted is False and not self.is_bot

    def is_of(self, team: str) -> bool:
        """Whether the account is one of the workspace, guests included."""
        teams = self.enterprise_user.get("teams") if isinstance(self.enterprise_user, dict) else None
        return not self.is_stranger and (self.team_id == team or (isinstance(teams, list) and team in teams))

    def is_full_member(self, team: str) -> bool:
        no_guest = self.is_restricted is False and self.is_ultra_restricted is False
        return self.is_of(team) and self.is_active and no_guest

    def account(self, team: str) -> Account:
        """The address counts where this workspace has confirmed it; another's word is not taken."""
        email = self.profile.get("email") if isinstance(self.profile, dict) else None
        confirmed = self.is_email_confirmed and self.is_of(team) and isinstance(email, str)
        return Account(self.id, email if confirmed else None, active=self.is_active)


@dataclass(frozen=True, slots=True)
class Team:
    """``url``: where people open it."""

    id: str
    url: str


class Workspace:
    """One workspace, by the rules of one configuration."""

    def __init__(self, slack: Slack, config: SlackConfig) -> None:
        self._slack, self._config = slack, config
        self._accounts = Accounts(config.issuer, config.people)

    # -- what is there --

    def team(self) -> Team:
        """Whose token this is. Raises :class:`Unavailable`."""
        data = self._slack.call("auth.test")
        team, url = data.get("team_id"), data.get("url")
        if not isinstance(team, str) or not re.fullmatch(_ID, team) or not isinstance(url, str):
            raise Unavailable(f"{self._slack.host} does not say whose token this is.")
        try:
            return Team(team, parse_url(url).origin)
        except InvalidInput:
            raise Unavailable(f"{self._slack.host} does not say where its workspace is.") from None

    def channels(self) -> dict[str, Channel]:
        """Every channel that the token can see, by id."""
        kinds = "public_channel,private_channel" if self._config.private else "public_channel"
        params = {"types": kinds, "exclude_archived": "false", "limit": _PAGE}
        return {one.id: one for one in self._slack.listed("conversations.list", "channels", Channel, **params)}

    def channel(self, id: str) -> Channel:
        """Raises :class:`NotFound`."""
        data = self._slack.call("conversations.info", channel=id)
        found = self._slack.read("conversations.info", Channel, data.get("channel"))
        if found.id != id:
            raise NotFound()
        return found

    def users(self) -> dict[str, User]:
        return {one.id: one for one in self._slack.listed("users.list", "members", User, limit=_PAGE)}

    def offers(self, channel: Channel) -> bool:
        """Whether the configuration wants it and the token may read it."""
        config = self._config
        if channel.is_im or channel.is_mpim or not channel.is_member:
            return False
        if (channel.is_private is not False and not config.private) or (channel.is_archived and not config.archived):
            return False
        return _names(config.channels, channel) and not _names(config.exclude, channel)

    # -- names --

    def names(self, channels: Iterable[Channel], users: Iterable[User]) -> Names:
        """Also kept for the fetches of this process, which need no listing of their own then."""
        public = {one.id: one.shown for one in channels if one.is_private is False}
        found = Names({one.id: one.shown for one in users}, public)
        _NAMES[self._key] = found, PACE.moment() + _NAMES_LAST_S
        return found

    def names_kept(self) -> Names:
        """Names as they were a short while ago."""
        found = _NAMES.get(self._key)
        if found is None or found[1] <= PACE.moment():
            return self.names(self.channels().values(), self.users().values())
        return found[0]

    @property
    def _key(self) -> str:
        token = self._config.token.get_secret_value()
        return hashlib.sha256(f"{self._config.base}\n{token}".encode()).hexdigest()

    # -- who may read --

    def acl(self, channel: Channel, team: Team) -> SourceAcl:
        members = self._accounts.group("channel", channel.id)
        where = f"#{channel.shown}"
        if channel.is_private is None:
            return AccessUnknown("access_unknown", f"Slack does not say whether {where} is private")
        if channel.is_private:
            return (RawClause((members,), (), where),)
        return (RawClause((self._accounts.group("workspace", team.id), members), (), where),)

    def memberships(self) -> Iterator[Membership]:
        """Who is in the workspace, in each channel that is offered, and which account is who."""
        team, users, channels = self.team(), self.users(), self.channels()
        known = dict(users)
        full = {id for id, user in users.items() if user.is_full_member(team.id)}
        guests = any(user.is_of(team.id) and user.is_active and id not in full for id, user in users.items())
        everyone = self._accounts.group("workspace", team.id)
        yield from (Membership(everyone, self._accounts.account(id)) for id in sorted(full))
        for channel in sorted(filter(self.offers, channels.values()), key=lambda one: one.id):
            if channel.is_private is False and not guests and not channel.has_strangers:
                continue  # all who can be in it are in the workspace's group
            group = self._accounts.group("channel", channel.id)
            for id in sorted(self._members(channel)):
                if self._is_active(id, known) and not (channel.is_private is False and id in full):
                    yield Membership(group, self._accounts.account(id))
        yield from self._accounts.members(known[id].account(team.id) for id in sorted(known))

    def _members(self, channel: Channel) -> set[str]:
        found: set[str] = set()
        try:
            for page in self._slack.pages("conversations.members", channel=channel.id, limit=_MEMBERS):
                some = page.get("members")
                if not isinstance(some, list) or not all(isinstance(one, str) for one in some):
                    raise Unavailable(f"{self._slack.host} does not say who is in #{channel.shown}.")
                found.update(some)
        except NotFound:
            return set()  # the app was taken out of it just now: then nobody is known to be in it
        return found

    def _is_active(self, id: str, known: dict[str, User]) -> bool:
        """Of accounts of other workspaces the listing does not tell; who cannot be asked about is left out."""
        if id not in known:
            try:
                data = self._slack.call("users.info", user=id)
                found = self._slack.read("users.info", User, data.get("user"))
            except NotFound:
                return False
            if found.id != id:
                return False
            known[id] = found
        return known[id].is_active


_NAMES: dict[str, tuple[Names, float]] = {}
"""Names by workspace, and until when they are good enough: one for the process, as connectors are made per fetch."""


def _names(globs: Iterable[str], channel: Channel) -> bool:
    return any(glob == channel.id or fnmatchcase(channel.name, glob.removeprefix("#")) for glob in globs)
