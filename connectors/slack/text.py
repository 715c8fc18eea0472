"""Slack's messages as Markdown: who said what and when, with names in the place of ids.

Slack escapes ``&``, ``<`` and ``>``, and writes everything of its own in ``<…>``. Outside code the escapes are
Markdown's too and stay; nothing that somebody wrote becomes a heading, a tag or a rule of the document.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

TS = r"[0-9]{1,10}\.[0-9]{6}"
KEPT = frozenset({None, "bot_message", "file_share", "file_comment", "me_message", "thread_broadcast", "tombstone"})
"""Kinds of message that say something; joining, leaving and renaming does not."""
_FENCE = re.compile(r"```\n?(.*?)\n?```", re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_TOKEN = re.compile(r"<([^<>\n]*)>")
_BOLD = re.compile(r"(?<![\w*])\*(?=\S)([^*\n]+?)(?<=\S)\*(?![\w*])")
_STRUCK = re.compile(r"(?<![\w~])~(?=\S)([^~\n]+?)(?<=\S)~(?![\w~])")
_BULLET = re.compile(r"^(\s*)[•◦▪]\ufe0e?\s+")
_ITEM = re.compile(r"\s{0,12}(?:-|[0-9]{1,9}[.)])\s")
_MARK = re.compile(r"#|[-=_*+]\s*$|[-=_*]{2,}\s*$|\||\+\s")
_SPECIAL = re.compile(r"([\\`*_\[\]#|~])")
_MEANT = re.compile(r"[\\`*\[\]|~]|(?<=_)_|_(?=_)")
_MAX_NAME = 100


class Message(BaseModel):
    """A message, as far as it is read."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    ts: str = Field(pattern=f"^{TS}$")
    user: str | None = None
    text: str | None = None
    subtype: str | None = None
    thread_ts: str | None = Field(None, pattern=f"^{TS}$")
    reply_count: int = 0
    latest_reply: str | None = None
    bot_id: str | None = None
    username: str | None = None
    user_profile: Any = None
    bot_profile: Any = None
    edited: Any = None
    files: Any = None
    attachments: Any = None

    @property
    def at(self) -> datetime:
        return moment(self.ts)

    @property
    def at_exactly(self) -> tuple[int, int]:
        seconds, _, rest = self.ts.partition(".")
        return int(seconds), int(rest)

    @property
    def is_root(self) -> bool:
        return self.thread_ts == self.ts and self.reply_count > 0

    @property
    def is_reply(self) -> bool:
        return self.thread_ts is not None and self.thread_ts != self.ts

    @property
    def is_bots(self) -> bool:
        return self.bot_id is not None or self.subtype == "bot_message"

    @property
    def edited_at(self) -> str | None:
        found = self.edited.get("ts") if isinstance(self.edited, dict) else None
        return found if isinstance(found, str) and re.fullmatch(TS, found) else None


@dataclass(frozen=True, slots=True)
class Names:
    """``channels``: public ones alone. That there is a private one of some name is for its members to know."""

    users: Mapping[str, str] = field(default_factory=dict)
    channels: Mapping[str, str] = field(default_factory=dict)


def moment(ts: str) -> datetime:
    """The time that is a message's name."""
    return datetime.fromtimestamp(int(ts.partition(".")[0]), UTC)


def markdown(messages: Iterable[Message], names: Names) -> str:
    """A conversation, oldest first."""
    return "\n".join(_message(message, names) for message in messages)


def plain(text: str, names: Names) -> str:
    """A message's text on one line, for a title."""
    said = _TOKEN.sub(lambda found: _label(found[1], names), text)
    return one_line(_unescaped(re.sub(r"[*~`]", "", said)))


def one_line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def author(message: Message, names: Names) -> str:
    """The name that is shown; what the message brings with it where the workspace knows nobody of that id."""
    known = names.users.get(message.user or "")
    if known:
        return known
    for profile, fields in ((message.user_profile, ("display_name", "real_name")), (message.bot_profile, ("name",))):
        for name in fields:
            found = profile.get(name) if isinstance(profile, dict) else None
            if isinstance(found, str) and one_line(found):
                return one_line(found)[:_MAX_NAME]
    return one_line(message.username or message.user or "somebody")[:_MAX_NAME]


def _message(message: Message, names: Names) -> str:
    if message.subtype == "tombstone":
        return f"*deleted message*, {message.at:%Y-%m-%d %H:%M} UTC\n"
    edited = " (edited)" if message.edited_at else ""
    head = f"**{_safe(_escaped(author(message, names)))}**, {message.at:%Y-%m-%d %H:%M} UTC{edited}"
    parts = [head, _body(message.text or _attached(message), names), *_files(message)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _attached(message: Message) -> str:
    """What an app says in attachments alone."""
    found: list[str] = []
    for one in message.attachments if isinstance(message.attachments, list) else []:
        if isinstance(one, dict):
            parts = [one.get(name) for name in ("pretext", "title", "text")]
            said = [part for part in parts if isinstance(part, str) and part]
            fallback = one.get("fallback")
            found += said or ([fallback] if isinstance(fallback, str) else [])
    return "\n".join(found)


def _files(message: Message) -> list[str]:
    found: list[str] = []
    for one in message.files if isinstance(message.files, list) else []:
        title = (one.get("title") or one.get("name")) if isinstance(one, dict) else None
        if isinstance(title, str) and one_line(title):
            shown = _safe(_escaped(one_line(title)[:300]))
            found.append(f"Attached: {_link(str(one.get('permalink') or ''), shown)}")
    return found


def _body(text: str, names: Names) -> str:
    text = "".join(char if char.isprintable() or char == "\n" else " " for char in text.replace("\r\n", "\n"))
    parts: list[str] = []
    for n, part in enumerate(_FENCE.split(text)):
        if n % 2 == 0:
            parts.append(_lines(_spans(part, names)))
        else:
            code = _unescaped(_TOKEN.sub(lambda found: _label(found[1], names), part))
            fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", code)), default=0))
            parts.append(f"{fence}\n{code}\n{fence}")
    return "\n\n".join(part for part in parts if part)


def _spans(text: str, names: Names) -> str:
    """Code, links, mentions and emphasis within paragraphs."""
    made: list[str] = []
    for n, part in enumerate(_CODE.split(text)):
        if n % 2:
            made.append(f"`{_unescaped(_TOKEN.sub(lambda found: _label(found[1], names), part))}`")
            continue
        for k, piece in enumerate(_TOKEN.split(part)):
            if k % 2:
                made.append(_token(piece, names))
            else:
                made.append(_emphasis(piece))
    return "".join(made)


def _emphasis(text: str) -> str:
    """Bold and struck text; what only looks like either, or would be something to Markdown, is escaped."""
    made: list[str] = []
    for n, part in enumerate(_BOLD.split(text)):
        pieces = [_MEANT.sub(r"\\\g<0>", piece) for piece in _STRUCK.split(part)]
        struck = "".join(f"~~{piece}~~" if k % 2 else piece for k, piece in enumerate(pieces))
        made.append(f"**{struck}**" if n % 2 else struck)
    return "".join(made).replace("<", "&lt;").replace(">", "&gt;")


def _lines(text: str) -> str:
    """Lines as they were written; one that looks like a heading, a rule or a table is text all the same."""
    made: list[str] = []
    before = ""
    for kind, line in map(_line, text.split("\n")):
        if kind and before and kind != before:
            made.append("")
        elif kind and kind == before != "item":
            made[-1] += "  "  # a line that ends here
        made.append(line)
        before = kind
    return "\n".join(made).strip("\n")


def _line(line: str) -> tuple[str, str]:
    """What kind of line it is (`quote`, `item`, `text`, or nothing), and how Markdown writes it."""
    if line.startswith("&gt;"):
        return "quote", f"> {line[4:].strip()}"
    line = _BULLET.sub(lambda found: f"{found[1][:12]}- ", line, count=1)
    if _ITEM.match(line):
        return "item", line
    line = line.strip()
    return ("text" if line else ""), f"\\{line}" if _MARK.match(line) else line


def _token(inside: str, names: Names) -> str:
    address, bar, label = inside.partition("|")
    if re.match(r"(https?://|mailto:)", address, re.IGNORECASE):
        shown = label if bar and label.strip() else address.removeprefix("mailto:")
        return _link(address, _safe(shown))
    return _safe(_label(inside, names))


def _label(inside: str, names: Names) -> str:
    """What Slack shows for ``<…>``, without the link, escaped as it was."""
    address, bar, label = inside.partition("|")
    if address.startswith("@"):
        return f"@{_escaped(names.users.get(address[1:]) or label or address[1:])}"
    if address.startswith("#"):
        known = names.channels.get(address[1:])
        return f"#{_escaped(known)}" if known else "#(private channel)"
    if address.startswith("!"):
        shown = label if bar and label else address[1:].partition("^")[0]
        return shown if address.startswith("!date") else f"@{shown.lstrip('@')}"
    return label if bar and label.strip() else address


def _link(address: str, shown: str) -> str:
    """``shown`` is Markdown already."""
    address = _unescaped(address)
    if not re.fullmatch(r"(https?://|mailto:)[!-~\u00a0-\U0010ffff]{1,2000}", address, re.IGNORECASE):
        return shown
    safe = address.replace("<", "%3C").replace(">", "%3E").replace("\\", "%5C")
    return f"[{shown}](<{safe}>)"


def _safe(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
