"""What is sent: a report as HTML and as plain text, or the question whether an address is somebody's.

No header is made of anything that people wrote: the subject is numbers, and the address was taken apart before it
was kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from html import escape

from sqlmodel import Session

from acl.who import Caller
from ingestion.mail.deliveries import Delivery
from ingestion.mail.links import message_id, token
from ingestion.mail.server import Mailer
from ingestion.reports.html import LABELS, as_html, page
from ingestion.reports.plain import as_text
from ingestion.reports.staleness import TO_LOOK_AT, Report, staleness
from vouch.core import clock
from vouch.core.clock import rfc3339
from vouch.core.errors import BadConfig
from vouch.core.settings import Settings

MOST_DOCUMENTS = 50
"""In one mail; the report itself pages through the rest."""
# A link longer than a line has no place to fold at, and Python would then encode it, which no mail program reads back.
_UNFOLDED = SMTP.clone(max_line_length=998)
_QUIET = "color:#59636e;font-size:12px"


@dataclass(frozen=True, slots=True)
class Letter:
    """``documents``: what it names, as decided at ``epoch``; both for the audit log."""

    message: bytes
    documents: Sequence[str] = ()
    epoch: int | None = None


@dataclass(frozen=True, slots=True)
class Desk:
    """What every letter is written with: who sends it, and what its links are signed with."""

    mailer: Mailer
    keys: Sequence[bytes]

    @classmethod
    def of(cls, settings: Settings) -> Desk | None:
        """As the settings say; None where no mail is sent. Raises :class:`BadConfig` naming the setting."""
        mailer = Mailer.of(settings)
        if mailer is not None and not settings.mail_keys:
            raise BadConfig("VOUCH_SECRET_KEY is not set, and links in mail are signed with it.", field="secret_key")
        return None if mailer is None else cls(mailer, settings.mail_keys)

    @property
    def domain(self) -> str:
        return self.mailer.sender.rpartition("@")[2]

    def link(self, what: str, signed: str) -> str:
        return f"{self.mailer.public_url}/mail/{what}?token={signed}"


def report_letter(session: Session, desk: Desk, mine: Delivery, address: str) -> Letter | None:
    """What the user owns and may read in this snapshot; None where there is nothing to say.

    Raises what :func:`ingestion.reports.staleness.staleness` does, for who is no longer active above all.
    """
    caller = Caller(mine.tenant, "mail", frozenset({"reports"}), mine.user)
    report = staleness(session, caller, None, limit=MOST_DOCUMENTS)
    if report.silent:
        return None
    leave = desk.link("unsubscribe", token(desk.keys, "unsubscribe", mine.tenant, mine.id))
    message = _begun(desk, mine, address)
    message["Subject"] = _subject(report)
    message["List-Id"] = f"<staleness.reports.{desk.domain}>"
    message["List-Unsubscribe"] = f"<{leave}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    text = f"{as_text(report)}\n-- \nTo get no more of these: {leave}\n"
    closing = (
        f'<p style="{_QUIET};margin-top:32px">This is what you own and could read when it was sent.'
        f' <a href="{escape(leave)}" rel="noreferrer" style="color:#59636e">Get no more of these</a>.</p>'
    )
    return Letter(_whole(message, text, as_html(report, closing)), report.told, report.epoch)


def question_letter(desk: Desk, mine: Delivery, address: str) -> Letter:
    """Asks whoever reads ``address`` whether reports may go there. It says nothing else."""
    yes = desk.link("confirm", token(desk.keys, "confirm", mine.tenant, mine.id))
    message = _begun(desk, mine, address)
    message["Subject"] = "Is this your address?"
    said = (
        f"Somebody who is signed in as {mine.user} asks that reports about their documents be sent to this address.",
        "If that was not you, do nothing: none will be. The link works for two days.",
    )
    text = f"{said[0]}\n\nIf that was you, confirm it here: {yes}\n\n{said[1]}\n"
    link = f'<a href="{escape(yes)}" rel="noreferrer" style="color:#0550ae">Confirm that it is yours</a>'
    inner = "".join(f"<p>{part}</p>" for part in (escape(said[0]), f"{link}.", escape(said[1])))
    return Letter(_whole(message, text, page("Is this your address?", inner)))


def _begun(desk: Desk, mine: Delivery, address: str) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["From"] = Address("Vouch", addr_spec=desk.mailer.sender)
    message["To"] = Address(addr_spec=address)
    message["Date"] = clock.now()
    about = (mine.user, mine.kind, str(rfc3339(mine.period)), str(mine.period.microsecond))
    message["Message-ID"] = message_id(desk.keys, mine.tenant, about, desk.domain)
    message["Auto-Submitted"] = "auto-generated"
    return message


def _whole(message: EmailMessage, text: str, html: str) -> bytes:
    message.set_content(text, cte="quoted-printable")
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    # The boundary is ours too, so that two tries of one message differ in nothing that is not their content.
    message.set_boundary(f"=_{message['Message-ID'].strip('<>').partition('@')[0]}")
    return message.as_bytes(policy=_UNFOLDED)


def _subject(report: Report) -> str:
    """Numbers and our own words alone."""
    found = [f"{report.counts[state]} {LABELS[state]}" for state in TO_LOOK_AT if report.counts.get(state)]
    if report.superseded_cited:
        found.append(f"{report.superseded_cited} superseded and still cited")
    if report.quarantined_in_all:
        found.append(f"{report.quarantined_in_all} quarantined")
    if report.broken_links.in_all:
        found.append(f"{report.broken_links.in_all} broken links")
    if report.suspected.in_all:
        found.append(f"{report.suspected.in_all} with words meant for a model")
    return f"Your documents: {', '.join(found) or 'questions without an answer'}"
