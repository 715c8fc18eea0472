"""A mailbox through the whole of ingestion: mail and its attachments, for its owner alone, until it is deleted."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
import sqlalchemy as sa

from acl.directory import put_user
from acl.recheck import recheck
from acl.resolve import resolve
from tests.connectors.imap.mailbox import PASSWORD, Mailbox, door, mail, mailbox
from tests.ingestion.conftest import TENANT, Walk
from vouch.core.sealing import key_file, make_key_file
from vouch.outbound.door import Outbound


@pytest.fixture
def box(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    """A mailbox of carol's, at a server whose certificate the platform believes."""
    monkeypatch.setattr(Outbound, "of", lambda settings: door())
    make_key_file(key_file(walk.services.settings))
    with walk.services.catalog.transaction(TENANT) as session:
        put_user(session, TENANT, "user:carol", name="Carol", actor="test")
    with mailbox() as found:
        yield found


def _readable(walk: Walk, user: str) -> set[str]:
    """Titles of what the user may read."""
    with walk.services.catalog.reading(TENANT) as session:
        live = session.execute(sa.text("SELECT id, title FROM document WHERE state = 'live'"))
        names = {str(id_): str(title) for id_, title in live}
        return {names[id_] for id_ in recheck(session, resolve(session, TENANT, user), list(names))[1]}


def test_mail_is_its_owners_with_what_is_attached_and_gone_when_it_is_deleted(walk: Walk, box: Mailbox) -> None:
    message = message_from_bytes(mail("Boathouse"), policy=policy.default)
    assert isinstance(message, EmailMessage)
    message.add_attachment(b"# Oars\n\nThey hang on the left wall.\n", "text", "markdown", filename="oars.md")
    one = box.put("INBOX", message.as_bytes())
    box.put("INBOX", mail("", "No subject at all."))
    source = walk.add_source("mail", "imap", **box.config())
    assert PASSWORD not in str(walk.scalar("SELECT config::text FROM source"))
    job = walk.sync(source)
    assert job["state"] == "succeeded", job
    assert _readable(walk, "user:carol") >= {"Boathouse"} and len(_readable(walk, "user:carol")) == 2
    assert _readable(walk, "user:alice") == set()
    assert walk.scalar("SELECT count(*) FROM chunk WHERE text LIKE '%left wall%'") == 1
    assert walk.scalar("SELECT owner FROM document LIMIT 1") == "user:carol"

    assert walk.sync(source, "access")["counts"]["changed"] == 0
    box.mark(one)
    assert walk.sync(source)["counts"]["deleted"] == 1
    assert "Boathouse" not in _readable(walk, "user:carol")
    assert walk.verify().clean
