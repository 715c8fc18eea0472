"""The mail server: one conversation for one message, in TLS unless the operator said otherwise.

The server is named in the settings, by the operator alone; no user can set it. What a conversation is about is
decided step by step, so that a message is written only once the server has accepted its recipient, and the last
moment before it is handed over can be written down.
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from ingestion.mail.address import mail_address
from vouch.core.errors import BadConfig, InvalidInput, MailNotSent
from vouch.core.settings import Settings

STEP_S = 15
"""Seconds that the server may take over each answer."""
_LONGEST_URL = 300
"""With a token behind it, still a line of a header."""
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Login:
    user: str
    password: str

    def __repr__(self) -> str:
        return f"Login({self.user!r})"


@dataclass(frozen=True, slots=True)
class Mailer:
    """``public_url``: where links in mail begin, without a slash at its end."""

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    sender: str
    public_url: str
    login: Login | None = None
    ca_file: Path | None = None

    @classmethod
    def of(cls, settings: Settings) -> Mailer | None:
        """As the settings say; None where they name no server. Raises :class:`BadConfig` naming the setting."""
        if settings.smtp_host is None:
            return None
        login = _login(settings)
        if login is not None and settings.smtp_security == "none":
            raise BadConfig("VOUCH_SMTP_PASSWORD is not sent without TLS.", field="smtp_security")
        if settings.smtp_ca_file is not None and not settings.smtp_ca_file.is_file():
            raise BadConfig("VOUCH_SMTP_CA_FILE is no file that can be read.", field="smtp_ca_file")
        return cls(
            host=settings.smtp_host,
            port=settings.smtp_port,
            security=settings.smtp_security,
            sender=_sender(settings.mail_from),
            public_url=_public_url(settings.public_url),
            login=login,
            ca_file=settings.smtp_ca_file,
        )

    @contextmanager
    def to(self, recipient: str) -> Iterator[Conversation]:
        """A conversation in which the server has accepted sender and recipient. Raises :class:`MailNotSent`."""
        smtp = self._connected()
        try:
            with _answering():
                self._introduce(smtp)
                _expect(smtp.mail(self.sender), "sender_refused")
                _expect(smtp.rcpt(recipient), "recipient_refused", final=True)
            yield Conversation(smtp)
            with suppress(OSError, smtplib.SMTPException):  # all that mattered has been said
                smtp.quit()
        finally:
            smtp.close()

    def _connected(self) -> smtplib.SMTP:
        try:
            if self.security == "tls":
                return smtplib.SMTP_SSL(self.host, self.port, timeout=STEP_S, context=self._tls())
            return smtplib.SMTP(self.host, self.port, timeout=STEP_S)
        except ssl.SSLError as error:
            raise _tls_failed(error) from error
        except (OSError, smtplib.SMTPException) as error:
            raise MailNotSent("The mail server cannot be reached.", reason="unreachable") from error

    def _introduce(self, smtp: smtplib.SMTP) -> None:
        smtp.ehlo_or_helo_if_needed()
        if self.security == "starttls":
            if not smtp.has_extn("starttls"):
                raise MailNotSent("The mail server does not offer TLS, without which nothing is sent.", reason="no_tls")
            smtp.starttls(context=self._tls())
            smtp.ehlo()
        if self.login is not None:
            try:
                smtp.login(self.login.user, self.login.password)
            except (smtplib.SMTPAuthenticationError, smtplib.SMTPNotSupportedError) as error:
                # Not its words: some servers say there what they were told.
                raise MailNotSent("The mail server does not let us in.", reason="login_refused") from error

    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca_file)


@dataclass(frozen=True, slots=True)
class Conversation:
    """The server waits for the message."""

    smtp: smtplib.SMTP

    def hand_over(self, message: bytes) -> None:
        """Raises :class:`MailNotSent`; ``unsure`` where the server never said whether it took the message."""
        answer: tuple[int, bytes | str]
        try:
            answer = self.smtp.data(message)
        except smtplib.SMTPDataError as error:  # it did not want to begin
            answer = error.smtp_code, error.smtp_error
        except (OSError, smtplib.SMTPException) as error:
            said = "The connection was lost while the message was handed over; whether it arrived is not known."
            raise MailNotSent(said, reason="unsure", unsure=True) from error
        _expect(answer, "message_refused", final=True)


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except ssl.SSLError as error:
        raise _tls_failed(error) from error
    except smtplib.SMTPServerDisconnected as error:
        raise MailNotSent("The mail server ended the connection.", reason="unreachable") from error
    except smtplib.SMTPResponseException as error:
        _expect((error.smtp_code, error.smtp_error), "refused")
    except (OSError, smtplib.SMTPException) as error:
        raise MailNotSent("The mail server did not answer as one.", reason="unreachable") from error


def _expect(answer: tuple[int, bytes | str], reason: str, *, final: bool = False) -> None:
    """Nothing for an answer that says yes. A 4xx says no for now; ``final``: a 5xx will not change by itself."""
    code, said = answer
    if 200 <= code < 300:
        return
    text = said.decode("ascii", "replace") if isinstance(said, bytes) else said
    words = " ".join("".join(c if c.isprintable() else " " for c in text).split())[:200]
    later = 400 <= code < 500
    raise MailNotSent(f"{code} {words}", reason="put_off" if later else reason, final=final and not later)


def _tls_failed(error: ssl.SSLError) -> MailNotSent:
    return MailNotSent(f"TLS with the mail server failed: {error.reason or 'it ended early'}.", reason="no_tls")


def _login(settings: Settings) -> Login | None:
    given, file = settings.smtp_password, settings.smtp_password_file
    if given is not None and file is not None:
        raise BadConfig("Set VOUCH_SMTP_PASSWORD or VOUCH_SMTP_PASSWORD_FILE, not both.", field="smtp_password")
    try:
        read = file.read_text(encoding="utf-8").strip() if file is not None else None
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfig("VOUCH_SMTP_PASSWORD_FILE cannot be read.", field="smtp_password_file") from error
    password = given.get_secret_value() if given is not None else read
    if (settings.smtp_user is None) != (not password):
        raise BadConfig("VOUCH_SMTP_USER and a password go together.", field="smtp_user")
    return Login(settings.smtp_user, password) if settings.smtp_user is not None and password else None


def _sender(text: str | None) -> str:
    if text is None:
        raise BadConfig("VOUCH_SMTP_HOST needs VOUCH_MAIL_FROM.", field="mail_from")
    try:
        return mail_address(text)
    except InvalidInput as error:
        raise BadConfig("VOUCH_MAIL_FROM is no plain mail address.", field="mail_from") from error


def _public_url(text: str | None) -> str:
    """Over https: what is signed in a link must not be read on the way. To this machine itself http will do."""
    if text is None:
        raise BadConfig("VOUCH_SMTP_HOST needs VOUCH_PUBLIC_URL.", field="public_url")
    try:
        parts = urlsplit(text)
        plain = (
            parts.hostname
            and len(text) <= _LONGEST_URL
            and not (parts.query or parts.fragment or parts.username or parts.password)
        )
        safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    except ValueError:
        plain = safe = None
    if not plain or not safe or not text.isascii() or any(c.isspace() or c in "<>\"'" for c in text):
        raise BadConfig("VOUCH_PUBLIC_URL is no address such as https://www.example.org", field="public_url")
    return text.rstrip("/")
