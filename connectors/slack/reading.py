"""What was said in a channel, by the day and by the thread, and which of it makes which document."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta

from connectors.slack.api import Slack
from connectors.slack.text import KEPT, Message
from vouch.core.errors import NotFound, Unavailable

_PAGE = 999
"""The most that is answered at a time: how often may be asked in a minute is what bounds a scan."""
_EPOCH = date(1970, 1, 1)


class Reading:
    """Messages of channels, each once, or none at all where a listing is not whole."""

    def __init__(self, slack: Slack, *, bots: bool) -> None:
        self._slack, self._bots = slack, bots

    def days(self, channel: str, oldest: date, latest: date) -> Iterator[tuple[date, list[Message]]]:
        """Each day from ``latest`` back to ``oldest`` on which there is a message, with all of them, oldest first.

        Raises :class:`NotFound` for a channel that may not be read, and :class:`Unavailable` for one whose messages do
        not come newest first: days would be cut in two.
        """
        day: list[Message] = []
        for message in self._newest_first(channel, oldest, latest):
            if day and message.at.date() != day[-1].at.date():
                yield day[-1].at.date(), day[::-1]
                day = []
            day.append(message)
        if day:
            yield day[-1].at.date(), day[::-1]

    def day(self, channel: str, day: date) -> list[Message]:
        """All of one day, oldest first. Raises :class:`NotFound`."""
        return next((messages for _, messages in self.days(channel, day, day)), [])

    def thread(self, channel: str, ts: str) -> list[Message]:
        """What stands in the thread's document: what it began with, and the replies. Raises :class:`NotFound`."""
        params = {"channel": channel, "ts": ts, "limit": _PAGE}
        found = {one.ts: one for one in self._slack.listed("conversations.replies", "messages", Message, **params)}
        root = found.get(ts)
        if root is None or not root.is_root:
            raise NotFound()
        replies = [one for one in found.values() if one.thread_ts == ts and one.ts != ts and self._says(one)]
        return [root, *sorted(replies, key=lambda one: one.at_exactly)]

    def talk(self, day: Sequence[Message]) -> list[Message]:
        """What stands in the day's document."""
        return [one for one in day if not one.is_root and not one.is_reply and self._says(one)]

    def edits(self, channel: str, ts: str) -> str:
        """Which replies were edited, and when; empty where none was. Raises :class:`NotFound`."""
        edited = [f"{one.ts} {one.edited_at}" for one in self.thread(channel, ts)[1:] if one.edited_at]
        return hashlib.sha256("\n".join(edited).encode()).hexdigest() if edited else ""

    def _says(self, message: Message) -> bool:
        if message.subtype not in KEPT or message.subtype == "tombstone":
            return False
        return self._bots or not message.is_bots

    def _newest_first(self, channel: str, oldest: date, latest: date) -> Iterator[Message]:
        """A message that was posted meanwhile can push another to the next page, where it is met again."""
        params = {
            "channel": channel, "oldest": _ts(oldest), "latest": _ts(latest + timedelta(days=1)), "inclusive": "true",
            "limit": _PAGE,
        }  # fmt: skip
        last: Message | None = None
        met: set[str] = set()
        for one in self._slack.listed("conversations.history", "messages", Message, **params):
            if one.ts in met or not oldest <= one.at.date() <= latest:
                continue
            if last is not None and one.at_exactly > last.at_exactly:
                raise Unavailable("Slack does not list a channel's messages newest first.")
            if last is not None and one.at.date() != last.at.date() and len(met) > 2 * _PAGE:
                met.clear()
            met.add(one.ts)
            last = one
            yield one


def _ts(day: date) -> str:
    moment = datetime.combine(max(day, _EPOCH), time(), UTC)
    return f"{int(moment.timestamp())}.000000"
