"""No tenant's prompt begins as another's, so that what a server keeps of one is of no use to the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from vouch.core.deadline import Deadline
from vouch.core.errors import BadConfig
from vouch.core.settings import Settings
from vouch.gateway.chat import DraftRequest, PassageText
from vouch.gateway.fake_chat import FakeChat
from vouch.gateway.gateway import Gateway

REQUEST = DraftRequest("How long is leave?", (PassageText("1", "Leave", "Leave is 20 days."),), "Answer from these.")
KEY = "the-platform's-secret-of-32-letters"


def _gateway(folder: Path, url: str, cache: str = "") -> Gateway:
    (folder / "models.toml").write_text(f'[models.m]\nprovider = "openai"\nurl = "{url}"\nmodel = "m"\n{cache}\n')
    return Gateway.open(Settings(models=folder / "models.toml"))


def _sent(gateway: Gateway, server: FakeChat, tenant: str, key: str = KEY) -> str:
    """All that the server reads, in its order."""
    server.received.clear()
    gateway.write("m", gateway.salted("m", REQUEST, key, tenant), Deadline.of(30))
    return "".join(str(message["content"]) for message in server.received[0].body["messages"])


def test_each_tenants_prompts_begin_alike_and_no_others_do(tmp_path: Path) -> None:
    with FakeChat() as server:
        gateway = _gateway(tmp_path, server.url)
        try:
            ours, again, theirs = (_sent(gateway, server, tenant) for tenant in ("ours", "ours", "theirs"))
            elsewhere = _sent(gateway, server, "ours", key="another-platform's-secret-32-letters")
        finally:
            gateway.close()
    before = ours.index(REQUEST.system_prompt)
    assert ours.startswith("Mark ") and again.startswith(ours[: before + len(REQUEST.system_prompt)])
    marks = {sent.splitlines()[0] for sent in (ours, theirs, elsewhere)}
    assert len(marks) == 3 and not any("ours" in mark or "theirs" in mark for mark in marks)


def test_where_it_is_off_no_two_begin_alike(tmp_path: Path) -> None:
    with FakeChat() as server:
        gateway = _gateway(tmp_path, server.url, 'cache = "off"')
        try:
            first, second = _sent(gateway, server, "ours"), _sent(gateway, server, "ours")
        finally:
            gateway.close()
    assert first.splitlines()[0] != second.splitlines()[0] and REQUEST.system_prompt in first


def test_what_a_prompt_comes_to_counts_its_mark(tmp_path: Path) -> None:
    gateway = _gateway(tmp_path, "http://127.0.0.1:1/v1")
    assert gateway.most("m", gateway.salted("m", REQUEST, KEY, "ours"))[0] > gateway.most("m", REQUEST)[0]
    gateway.close()


def test_another_word_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadConfig):
        _gateway(tmp_path, "http://127.0.0.1:1/v1", 'cache = "shared"')
