"""A Slack workspace: each thread a document, and of each channel what was said outside threads, by the day.

A thread is what answers a question: what was asked, and what came of it. What is left is cut by the day (UTC), for a
day's bounds follow from the clock alone; those of a pause in the talk would move with each message that is added or
deleted, and with them the documents.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import chain
from typing import ClassVar

from pydantic import BaseModel

from connectors.declared import owner
from connectors.protocol import Membership
from connectors.rest import address_of
from connectors.slack.api import Slack
from connectors.slack.config import SlackConfig
from connectors.slack.reading import Reading
from connectors.slack.state import Read, State, back, day_of
from connectors.slack.text import TS, Message, Names, author, markdown, moment, plain
from connectors.slack.workspace import Channel, Team, Workspace
from vouch.core import clock
from vouch.core.errors import BadConfig, DocumentRejected, NotFound, Unavailable
from vouch.core.types import Body, Change, Checkpoint, Deleted, Json, Refused, Upsert
from vouch.outbound.door import Outbound

MIME = "text/markdown"
_CHECKPOINT_EVERY = 1000
_ID = re.compile(rf"([CG][A-Z0-9]{{1,31}})/([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}|{TS})")
_MAX_TITLE = 120
_EPOCH = date(1970, 1, 1)


@dataclass
class _Scan:
    """One scan under way. ``named``: what it told of the channel that it is at; ``count`` of all of them."""

    team: Team
    names: Names
    began: datetime
    named: list[str] = field(default_factory=list)
    count: int = 0


class SlackConnector:
    """Reads the channels of a Slack workspace that its app is in."""

    kind: ClassVar[str] = "slack"
    Config: ClassVar[type[BaseModel]] = SlackConfig
    lists_everything: ClassVar[bool] = False
    goes_out: ClassVar[bool] = True

    def __init__(self, config: SlackConfig, outbound: Outbound) -> None:
        """Raises :class:`BadConfig` for an address that may not be reached, a token that is none, and an owner that
        is no principal."""
        self.config = config
        base = address_of(config.base, "base", outbound)
        slack = Slack(outbound, base, config.token.get_secret_value())
        self._workspace = Workspace(slack, config)
        self._reading = Reading(slack, bots=config.bots)
        try:
            self._owner = owner(config.owner) if config.owner is not None else None
        except ValueError as error:
            raise BadConfig(f"config.owner: {error}", field="config.owner") from error

    def scan(self, cursor: Json | None) -> Iterator[Change]:
        """Threads and days of every channel, or those of the last days before the cursor.

        Raises :class:`CursorExpired` where access to a channel, or its name, is not what the cursor knows, for that
        concerns all that was ever said in it.
        """
        state = None if cursor is None else State.from_cursor(cursor)
        team, channels, users = self._workspace.team(), self._workspace.channels(), self._workspace.users()
        offered = {id: one for id, one in sorted(channels.items()) if self._workspace.offers(one)}
        if state is not None:
            state.require_same(team.id, offered)
        scan = _Scan(team, self._workspace.names(channels.values(), users.values()), clock.now())
        reached = state or State(team.id)
        unsaved = 0
        for id, channel in offered.items():
            if id in reached.done:
                continue
            yield from self._channel(scan, channel, reached)
            reached.done.add(id)
            unsaved += len(scan.named) + 10  # a channel where nothing was said takes requests all the same
            if state is not None and unsaved >= _CHECKPOINT_EVERY:
                unsaved = 0
                yield Checkpoint(reached.cursor(ended=False))
        yield Checkpoint(reached.cursor(ended=True))

    def fetch(self, external_id: str) -> Body:
        """The thread, or the day, as it is now."""
        match = _ID.fullmatch(external_id)
        if match is None:
            raise NotFound()
        id, suffix = match.groups()
        try:
            day = day_of(suffix)
        except ValueError:
            raise NotFound() from None
        if day < (self.config.begin or _EPOCH) or not self._workspace.offers(self._workspace.channel(id)):
            raise NotFound()
        read = self._reading
        messages = read.thread(id, suffix) if "." in suffix else read.talk(read.day(id, day))
        if not messages:
            raise NotFound()
        data = markdown(messages, self._workspace.names_kept()).encode()
        if len(data) > self.config.max_document_kb << 10:
            raise DocumentRejected(self._too_large, reason="too_large")
        return Body(data, MIME)

    def memberships(self) -> Iterator[Membership]:
        yield from self._workspace.memberships()

    # -- one channel --

    def _channel(self, scan: _Scan, listed: Channel, reached: State) -> Iterator[Change]:
        """What is to be told of a channel; then ``reached`` knows of it."""
        read, today = reached.channels.get(listed.id), scan.began.date()
        oldest = max(self.config.begin or _EPOCH, _EPOCH if read is None else back(read.at, self.config.look_back_days))
        scan.named = []
        try:
            days = self._reading.days(listed.id, oldest, today + timedelta(days=1))
            first = next(days, None)
            channel = self._as_it_is_now(listed)  # not as it was when a listing of many began
            if read is not None:
                read.require(channel)
            for day, messages in chain([first] if first is not None else [], days):
                yield from self._day(scan, channel, day, messages)
        except NotFound:
            raise Unavailable(f"#{listed.shown} went away while it was read.") from None
        if read is not None:
            yield from (Deleted(f"{listed.id}/{suffix}") for suffix in sorted(set(read.named) - set(scan.named)))
        again = back(today, self.config.look_back_days)
        kept = tuple(sorted(suffix for suffix in scan.named if day_of(suffix) >= again))
        reached.channels[listed.id] = Read.of(channel, today, kept)

    def _as_it_is_now(self, listed: Channel) -> Channel:
        """Raises :class:`NotFound` where it is no longer offered."""
        channel = self._workspace.channel(listed.id)
        if not self._workspace.offers(channel):
            raise NotFound()
        return channel

    def _day(self, scan: _Scan, channel: Channel, day: date, messages: list[Message]) -> Iterator[Change]:
        talk = self._reading.talk(messages)
        if talk:
            yield self._told(scan, channel, day.isoformat(), talk)
        for root in (message for message in messages if message.is_root):
            with suppress(NotFound):  # its last reply was deleted just now: it is no thread any more
                yield self._thread(scan, channel, root)

    def _told(self, scan: _Scan, channel: Channel, suffix: str, talk: list[Message]) -> Upsert | Refused:
        data = markdown(talk, scan.names).encode()
        if len(data) > self.config.max_document_kb << 10:
            self._count(scan, suffix)
            return Refused(f"{channel.id}/{suffix}", "too_large", self._too_large)
        print_ = hashlib.sha256(data).hexdigest()
        changed = max(moment(one.edited_at or one.ts) for one in talk)
        return self._upsert(scan, channel, (suffix, talk[0].ts), f"#{channel.shown}, {suffix}", (print_, changed))

    def _thread(self, scan: _Scan, channel: Channel, root: Message) -> Upsert:
        """Raises :class:`NotFound`. Of replies the listing says how many there are, and when the last one came; that
        one was edited only the thread itself says, which is read while it is young."""
        latest = moment(root.latest_reply) if root.latest_reply and re.fullmatch(TS, root.latest_reply) else root.at
        edits = ""
        if latest >= scan.began - timedelta(days=self.config.reply_edits_days):
            edits = self._reading.edits(channel.id, root.ts)
        said = "\n".join((markdown([root], scan.names), str(root.reply_count), root.latest_reply or "", edits))
        about = plain(root.text or "", scan.names) or f"thread of {author(root, scan.names)}, {root.at:%Y-%m-%d}"
        title = f"#{channel.shown}: {about}"
        print_ = hashlib.sha256(said.encode()).hexdigest()
        changed = max(latest, moment(root.edited_at or root.ts))
        return self._upsert(scan, channel, (root.ts, root.ts), title, (print_, changed))

    def _upsert(
        self, scan: _Scan, channel: Channel, at: tuple[str, str], title: str, state: tuple[str, datetime]
    ) -> Upsert:
        """``at``: what names the document, and the message where people begin to read."""
        self._count(scan, at[0])
        return Upsert(
            external_id=f"{channel.id}/{at[0]}",
            title=title if len(title) <= _MAX_TITLE else f"{title[: _MAX_TITLE - 1].rstrip()}…",
            uri=f"{scan.team.url}/archives/{channel.id}/p{at[1].replace('.', '')}",
            fingerprint=state[0],
            acl=self._workspace.acl(channel, scan.team),
            mime=MIME,
            owner=self._owner,
            modified_at=state[1],
        )

    def _count(self, scan: _Scan, suffix: str) -> None:
        scan.named.append(suffix)
        scan.count += 1
        if scan.count > self.config.max_documents:
            said = f"There are more than {self.config.max_documents:,} threads and days"
            raise BadConfig(said, field="config.max_documents")

    @property
    def _too_large(self) -> str:
        return f"Its text is larger than {self.config.max_document_kb:,} KiB"
