"""Settings: read once from the environment, at the edge, then passed inward.

Each is ``VOUCH_<NAME>``. Unset URLs mean the embedded part in the data folder.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from vouch.core.clock import duration
from vouch.core.errors import InvalidInput

PLACEHOLDERS = frozenset({"changeme", "change-me", "secret", "password", "example", "test", "xxx"})
_SOCKET_FOLDER = re.compile(r"[A-Za-z0-9_./@+=~-]{1,80}")  # leaves 27 bytes for a socket's own name

_SEAL_KEYS = re.compile(r"\s*[0-9a-f]{64}\s*(?:,\s*[0-9a-f]{64}\s*)*")


SOURCE_VARIABLES = "VOUCH_SQL_"
"""How the names of variables begin that sources read, and no setting: addresses of databases, with their passwords."""


class Settings(BaseSettings):
    """All of Vouch's settings. Raises pydantic's ``ValidationError`` on a bad value."""

    model_config = SettingsConfigDict(env_prefix="VOUCH_", frozen=True, extra="ignore")

    data_dir: Path = Field(Path(".vouch"), description="Folder of everything embedded: database, blobs, index, keys.")
    host: str = Field("127.0.0.1", description="Address the HTTP server listens on.")
    port: int = Field(8080, ge=0, le=65535, description="Port of the HTTP server; 0 picks a free one.")
    tenant: str = Field("default", pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="Tenant made on first start.")

    database_url: SecretStr | None = Field(
        None, description="PostgreSQL URL (`postgresql://user:password@host/db`); unset: the embedded server."
    )
    redis_url: SecretStr | None = Field(None, description="Redis URL of the doorbell; unset: the embedded server.")
    qdrant_url: str | None = Field(None, description="Qdrant server URL; unset: the embedded index host.")
    qdrant_api_key: SecretStr | None = Field(None, description="Qdrant API key.")
    blob_url: str | None = Field(None, description="fsspec URL of the blob store; unset: `$VOUCH_DATA_DIR/blobs`.")
    secret_key: SecretStr | None = Field(
        None, description="Key of the HMAC over API keys (32 or more characters); unset: made in the data folder."
    )
    former_secret_keys: tuple[SecretStr, ...] | None = Field(
        None,
        description="Earlier values of `VOUCH_SECRET_KEY`, newest first, as a JSON list: to verify old audit entries "
        "and links in old mail.",
    )

    seal_key: SecretStr | None = Field(
        None,
        description="Keys that secrets of sources are sealed with, 64 hex digits each, comma-separated, the present "
        "one first; unset: `seal.key` in the data folder.",
    )

    embed_model: str = Field(
        "all-MiniLM-L6-v2", description="The packaged model, or a sentence-transformers model name or folder."
    )
    embed_runtime: Literal["auto", "openvino", "sentence-transformers"] = Field(
        "auto", description="`auto` takes OpenVINO when its vectors agree with float32, and says so."
    )
    embed_threads: int = Field(2, ge=1, le=256, description="CPU threads of one embedder.")

    models: Path | None = Field(
        None, description="TOML file of chat models and who is answered by which; unset: `VOUCH_CHAT_URL`, if set."
    )
    profiles: Path | None = Field(
        None, description="TOML file of profiles, ways in which answers are made; unset: those of ours alone."
    )
    ask_deadline_s: float = Field(
        90.0, ge=5, le=900, description="Seconds in which a question is answered, whichever models are tried for it."
    )
    chat_url: str | None = Field(None, description="OpenAI-compatible base URL; unset: extractive answers, no model.")
    chat_model: str | None = Field(None, description="Model name sent to `VOUCH_CHAT_URL`.")
    chat_api_key: SecretStr | None = Field(None, description="Key sent to `VOUCH_CHAT_URL`.")
    chat_timeout_s: float = Field(60.0, gt=0, le=600, description="Deadline of one call of the chat model, seconds.")

    chat_output: Literal["tool", "json_schema", "prompted"] = Field(
        "tool", description="How the chat model is made to give structured output: take what its server supports."
    )

    privacy: str = Field(
        "mask",
        description="What models outside get of personal data and secrets: `mask`, `refuse` or `allow`, then "
        "exceptions (`mask,secrets=refuse,ip=allow`).",
    )
    privacy_answers: str = Field(
        "allow,private_key=refuse,token=refuse,credentials=refuse",
        description="What answers tell of personal data and secrets, whoever writes them: `allow` or `refuse`, then "
        "exceptions.",
    )
    privacy_inside: str = Field(
        "loopback",
        description="Whose models are the organisation's own and get everything: `loopback`, hosts and networks, "
        "comma-separated.",
    )

    reranker: str = Field(
        "document",
        pattern=r"^(none|document|lexical|cross-encoder:\S.*)$",
        description="Default rerank stage: `none`, `document`, `lexical`, or `cross-encoder:<hub name or folder>`.",
    )
    entailment: str = Field(
        "embedded",
        pattern=r"^(none|embedded|(cross-encoder|chat):\S.*)$",
        description="What judges whether quotes support a claim, after the rules: `none`, `embedded`, "
        "`cross-encoder:<hub name or folder>`, or `chat:<name of a chat model>`.",
    )
    abstain_below: float | None = Field(
        None, ge=0, le=1, description="Answer only above this confidence; unset: the threshold calibrated on data."
    )

    reuse: Literal["off", "exact", "near"] = Field(
        "exact",
        description="Whether answers are given again: never, to the same question, or to one that asks the same.",
    )
    reuse_max_age_s: int = Field(86_400, ge=60, le=2_592_000, description="Seconds for which an answer is given again.")

    keep_traces: str | None = Field(
        None,
        description="How long traces are kept, with answers, feedback and conversations (`90d`); unset: for ever.",
    )

    approval_workflows: str = Field(
        "",
        pattern=r"^\s*$|^\s*(\*|[a-z0-9][a-z0-9._-]{0,63})\s*(,\s*(\*|[a-z0-9][a-z0-9._-]{0,63})\s*)*$",
        description="Workflows whose answers a person approves before they are read, comma-separated; `*`: all that "
        "a chat model wrote.",
    )
    approval_claim_min: int = Field(
        30, ge=1, le=1440, description="Minutes for which an answer is a reviewer's who has claimed it."
    )

    worker_processes: int = Field(2, ge=1, le=64, description="Celery child processes of one worker.")
    lease_s: int = Field(30, ge=3, le=3600, description="Seconds until the work of a worker that died passes on.")
    sweep_every_s: float = Field(2.0, gt=0, le=60, description="Seconds between two sweeps of the ledger.")
    scans_at_once: int | None = Field(
        None, ge=1, le=64, description="Scans at a time on one data folder; unset: all of the processes but one."
    )
    scan_limit_s: int = Field(
        3600,
        ge=10,
        le=86_400,
        description="Seconds after which a scan gives up its place; it fails if it came no further.",
    )
    max_document_mb: int = Field(50, ge=1, le=2048, description="Largest document read, MiB.")
    parse_memory_mb: int = Field(
        512, ge=64, le=65536, description="Memory that reading one document may take, over the parser's own, MiB."
    )
    parse_cpu_s: float = Field(60.0, gt=0, le=100, description="CPU time that reading one document may take, seconds.")
    outbound_allow: str = Field(
        "",
        description="Hosts and networks that are not public and may be reached all the same, comma-separated "
        "(`10.20.0.0/16,intranet.example`).",
    )
    smtp_host: str | None = Field(
        None, min_length=1, description="Mail server that reports are sent by; unset: no mail is sent."
    )
    smtp_port: int = Field(587, ge=1, le=65535, description="Its port.")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="`starttls` and `tls` send nothing to a server that does not do TLS; `none`: in clear."
    )
    smtp_user: str | None = Field(None, description="User to log in as; unset: none.")
    smtp_password: SecretStr | None = Field(None, description="Its password; never sent in clear.")
    smtp_password_file: Path | None = Field(None, description="File that holds the password instead.")
    smtp_ca_file: Path | None = Field(
        None, description="Certificates that the mail server's is checked by; unset: the system's."
    )
    mail_from: str | None = Field(None, description="Address that mail comes from; needed with `VOUCH_SMTP_HOST`.")
    public_url: str | None = Field(
        None, description="Where people reach the platform, for links in mail; needed with `VOUCH_SMTP_HOST`."
    )
    otlp_endpoint: str | None = Field(
        None,
        pattern=r"^https?://[^\s/@?#]+(/[^\s?#]*)?$",
        description="Collector that questions are told to as OpenTelemetry spans (OTLP over HTTP); unset: none.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe log shown.")

    @field_validator("database_url", "redis_url", "secret_key", "qdrant_api_key", "chat_api_key", "smtp_password")
    @classmethod
    def _no_placeholder(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        text = value.get_secret_value()
        password = urlsplit(text).password if "://" in text else text
        if password is not None and password.lower() in PLACEHOLDERS:
            raise ValueError("is a placeholder; set a real secret")
        return value

    @field_validator("secret_key")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 32:
            raise ValueError("must have 32 characters or more")
        return value

    @field_validator("seal_key")
    @classmethod
    def _keys_of_32_bytes(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _SEAL_KEYS.fullmatch(value.get_secret_value()):
            raise ValueError("must be keys of 64 hex digits, separated by commas")
        return value

    @field_validator("keep_traces")
    @classmethod
    def _a_duration(cls, value: str | None) -> str | None:
        try:
            return value if value is None or duration(value) else None
        except InvalidInput:
            raise ValueError("is not a duration such as 12h or 90d") from None

    @property
    def traces_last(self) -> timedelta | None:
        """How long what was asked is kept; None: for ever."""
        return None if self.keep_traces is None else duration(self.keep_traces)

    @property
    def sockets(self) -> Path:
        """Folder of the embedded servers' Unix sockets: absolute, and the same in every process of one data folder.

        It is ``run`` in the data folder, unless that path is too long for a socket's address (107 bytes on
        Linux) or holds characters that connection URLs split at (a comma, a space, ``%``); then it is a folder
        in ``/tmp`` named after the data folder's path. The supervisor makes it (mode 0700, refusing one that
        another user made first) and removes it when it stops.
        """
        data_dir = self.data_dir.resolve()
        inside = data_dir / "run"
        if _SOCKET_FOLDER.fullmatch(str(inside)):
            return inside
        name = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
        return Path("/tmp") / f"vouch-{name}"  # noqa: S108 - not $TMPDIR: processes with different ones must agree

    @property
    def audit_key(self) -> bytes | None:
        """What seals the audit log: of the platform's secret, and different from every other use of it."""
        return None if self.secret_key is None else _audit_key(self.secret_key)

    @property
    def mail_keys(self) -> tuple[bytes, ...]:
        """What links in mail are signed with: the present key, then former ones, by which old mail still works."""
        present = () if self.secret_key is None else (self.secret_key,)
        return tuple(_derived(key, b"vouch mail") for key in (*present, *(self.former_secret_keys or ())))

    @property
    def audit_keys(self) -> tuple[bytes, ...]:
        """What an entry may be sealed with: the present key, then former ones, newest first."""
        present = () if self.secret_key is None else (self.secret_key,)
        return tuple(map(_audit_key, (*present, *(self.former_secret_keys or ()))))

    @property
    def audit_heads(self) -> Path:
        """Where the scheduler writes down the heads of the audit log, outside the database."""
        return self.data_dir / "audit" / "heads.jsonl"

    @property
    def scan_places(self) -> int:
        """How many scans run at a time: never all processes, where there are two or more."""
        return self.scans_at_once or max(1, self.worker_processes - 1)

    @property
    def index_dir(self) -> Path:
        return self.data_dir / "index"

    @property
    def models_dir(self) -> Path:
        return self.data_dir / "models"


def _audit_key(secret: SecretStr) -> bytes:
    return _derived(secret, b"vouch audit log")


def _derived(secret: SecretStr, use: bytes) -> bytes:
    return hmac.new(secret.get_secret_value().encode(), use, hashlib.sha256).digest()
