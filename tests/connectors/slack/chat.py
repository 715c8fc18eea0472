"""A Slack workspace on loopback: the Web API's documented answers, from a state that tests change as people would."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from connectors.registry import make_connector
from tests.connectors.api import LOOPBACK, Api, Request, answering
from vouch.core.types import Change, Json, Upsert

TEAM = "T0ACME"
TOKEN = "a token of the tests"


def ts(text: str) -> str:
    """A message's name by its time, ``2024-05-01 09:15``."""
    return f"{int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())}.000100"


@dataclass
class Chat:
    """``page``: how many of anything are answered at a time. Messages are by channel and name."""

    api: Api
    page: int = 100
    channels: dict[str, Json] = field(default_factory=dict)
    members: dict[str, list[str]] = field(default_factory=dict)
    users: dict[str, Json] = field(default_factory=dict)
    foreign: dict[str, Json] = field(default_factory=dict)
    messages: dict[str, dict[str, Json]] = field(default_factory=dict)

    # -- what people do --

    def user(self, id: str, name: str, **more: Any) -> None:
        said = {"deleted": False, "is_restricted": False, "is_ultra_restricted": False, "is_bot": False}
        profile = {"display_name": name, "email": f"{name.split()[0].lower()}@example.org"}
        self.users[id] = {"id": id, "team_id": TEAM, "name": name, "profile": profile, **said, **more}

    def channel(self, id: str, name: str, members: list[str], *, private: bool = False, **more: Any) -> None:
        flags = {"is_channel": True, "is_private": private, "is_member": True, "is_archived": False}
        self.channels[id] = {"id": id, "name": name, **flags, **more}
        self.members[id] = members
        self.messages[id] = {}

    def say(self, channel: str, at: str, text: str, user: str = "U0ALICE", **more: Any) -> str:
        name = at if re.fullmatch(r"\d+\.\d{6}", at) else ts(at)
        said = {"type": "message", "user": user, "text": text, "ts": name, **more}
        self.messages[channel][name] = {key: value for key, value in said.items() if value is not None}
        return name

    def reply(self, channel: str, root: str, at: str, text: str, user: str = "U0BOB", **more: Any) -> str:
        return self.say(channel, at, text, user, thread_ts=root, **more)

    def edit(self, channel: str, name: str, text: str) -> None:
        self.messages[channel][name] |= {"text": text, "edited": {"user": "U0ALICE", "ts": ts("2024-05-09 12:00")}}

    # -- what is read --

    def config(self, **more: Any) -> Json:
        people = {"named": {"U0ALICE": "user:alice", "bob@example.org": "user:bob", "U0GUS": "user:gus"}}
        return {"issuer": "slack", "people": people, "token": TOKEN, "base": f"{self.api.url}/api", **more}

    def connector(self, **more: Any) -> Any:
        return make_connector("slack", self.config(**more), LOOPBACK)

    def scan(self, cursor: Json | None = None, **more: Any) -> list[Change]:
        return list(self.connector(**more).scan(cursor))

    def upserts(self, cursor: Json | None = None, **more: Any) -> dict[str, Upsert]:
        return {one.external_id: one for one in self.scan(cursor, **more) if isinstance(one, Upsert)}

    def asked(self, method: str) -> int:
        return sum(f"/api/{method}?" in f"{one.path}?" for one in self.api.asked)

    # -- what the API answers --

    def root(self, channel: str, message: Json) -> Json:
        """A message as ``conversations.history`` shows it: with what is known of its replies."""
        replies = [one["ts"] for one in self.messages[channel].values() if one.get("thread_ts") == message["ts"]]
        replies = [name for name in replies if name != message["ts"]]
        if not replies:
            return message
        return {**message, "thread_ts": message["ts"], "reply_count": len(replies), "latest_reply": max(replies)}

    def history(self, request: Request) -> Any:
        channel = self.channels.get(request.query["channel"])
        if channel is None or not channel["is_member"]:
            return {"ok": False, "error": "not_in_channel" if channel else "channel_not_found"}
        oldest, latest = request.query.get("oldest", "0"), request.query.get("latest", "9999999999")
        of = self.messages[channel["id"]].values()
        shown = [one for one in of if "thread_ts" not in one or one.get("subtype") == "thread_broadcast"]
        shown = [self.root(channel["id"], one) for one in shown if float(oldest) <= float(one["ts"]) <= float(latest)]
        # A page is bounded by a moment, so what is posted while pages are read moves nothing.
        shown.sort(key=lambda one: float(one["ts"]), reverse=True)
        return self.paged(request, "messages", shown)

    def replies(self, request: Request) -> Any:
        channel, name = request.query["channel"], request.query["ts"]
        if channel not in self.channels or not self.channels[channel]["is_member"]:
            return {"ok": False, "error": "channel_not_found"}
        root = self.messages[channel].get(name)
        if root is None:
            return {"ok": False, "error": "thread_not_found"}
        replies = [one for one in self.messages[channel].values() if one.get("thread_ts") == name]
        return self.paged(request, "messages", [self.root(channel, root), *sorted(replies, key=lambda one: one["ts"])])

    def paged(self, request: Request, name: str, found: list[Any]) -> Json:
        start = int(request.query.get("cursor", "0").removeprefix("c"))
        size = min(self.page, int(request.query["limit"]))
        more = start + size < len(found)
        metadata = {"next_cursor": f"c{start + size}" if more else ""}
        return {"ok": True, name: found[start : start + size], "has_more": more, "response_metadata": metadata}

    def info(self, request: Request) -> Any:
        found = self.channels.get(request.query["channel"])
        return {"ok": True, "channel": found} if found else {"ok": False, "error": "channel_not_found"}

    def listing(self, request: Request) -> Any:
        wanted = request.query["types"].split(",")
        kinds: dict[Any, str] = {False: "public_channel", True: "private_channel"}
        found = [one for one in self.channels.values() if kinds.get(one.get("is_private"), wanted[0]) in wanted]
        return self.paged(request, "channels", found)

    def user_info(self, request: Request) -> Any:
        found = {**self.users, **self.foreign}.get(request.query["user"])
        return {"ok": True, "user": found} if found else {"ok": False, "error": "user_not_found"}


@contextmanager
def chat() -> Iterator[Chat]:
    """A workspace of four: alice and bob in `general`, alice alone in `board`, a guest in `general`, carol gone."""
    api = Api()
    found = Chat(api)

    def answered(request: Request, by: Any) -> Any:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return {"ok": False, "error": "invalid_auth" if "authorization" in request.headers else "not_authed"}
        return by(request)

    methods = {
        "auth.test": lambda request: {"ok": True, "url": "https://acme.slack.com/", "team": "Acme", "team_id": TEAM},
        "conversations.list": found.listing,
        "conversations.info": found.info,
        "conversations.history": found.history,
        "conversations.replies": found.replies,
        "conversations.members": lambda request: found.paged(
            request, "members", found.members[request.query["channel"]]
        ),
        "users.list": lambda request: found.paged(request, "members", list(found.users.values())),
        "users.info": found.user_info,
    }
    for name, by in methods.items():
        api.route("GET", rf"/api/{re.escape(name)}")(partial(answered, by=by))
    found.user("U0ALICE", "Alice Example")
    found.user("U0BOB", "Bob", is_email_confirmed=True)
    found.user("U0CAROL", "Carol", deleted=True)
    found.user("U0GUS", "Gus", is_restricted=True)
    found.channel("C0GENERAL", "general", ["U0ALICE", "U0BOB", "U0GUS", "U0CAROL"])
    found.channel("C0BOARD", "board", ["U0ALICE"], private=True)
    with answering(api):
        yield found
