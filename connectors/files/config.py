"""What a ``files`` source is configured by: one store, what of it is offered, and who may read it besides."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from connectors.declared import Address, Clauses

Secret = Annotated[SecretStr, Field(min_length=1, max_length=20_000)]
Name = Annotated[str, Field(min_length=1, max_length=255)]


def _folder(path: str) -> str:
    """``path`` without a slash at its ends. One that could be read in two ways is refused."""
    inner = path.strip("/")
    if not path.isprintable() or "\\" in path or any(part in ("", ".", "..") for part in inner.split("/") if inner):
        raise ValueError("must be a plain path, without backslashes, `.`, `..` or two slashes in a row")
    return inner


def _prefix(value: str) -> str:
    inner = _folder(value)
    return f"{inner}/" if inner else ""


class S3Store(BaseModel):
    """A bucket of Amazon S3, or of anything that speaks its protocol."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["s3"]
    bucket: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$", description="Name of the bucket.")
    prefix: str = Field("", max_length=900, description="Folder of the bucket that is the root; else all of it.")
    region: str = Field("us-east-1", pattern=r"^[a-z0-9-]{1,63}$", description="Region that requests are signed for.")
    endpoint: str | None = Field(
        None, max_length=2000, description="Address of a service that is not Amazon's: `https://s3.example.org`."
    )
    virtual_host: bool = Field(False, description="Whether the bucket's name stands in the host, not in the path.")
    access_key_id: str | None = Field(
        None, pattern=r"^[A-Za-z0-9._+=@-]{1,256}$", description="Key to sign with; without one nothing is signed."
    )
    secret_access_key: Secret | None = Field(None, description="The key's secret. Sealed.")
    session_token: Secret | None = Field(None, description="Token of a temporary key. Sealed.")

    @field_validator("prefix")
    @classmethod
    def _ends_in_a_slash(cls, value: str) -> str:
        return _prefix(value)

    @model_validator(mode="after")
    def _whole_key(self) -> S3Store:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ValueError("access_key_id and secret_access_key go together")
        if self.session_token is not None and self.access_key_id is None:
            raise ValueError("session_token needs access_key_id")
        return self


class SftpStore(BaseModel):
    """A folder of a host that is reached by SSH."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["sftp"]
    host: Name = Field(description="Name or address of the host.")
    port: int = Field(22, ge=1, le=65535, description="Its port.")
    path: str = Field(min_length=1, max_length=4096, description="The folder, from the root of what the host shows.")
    host_keys: tuple[Annotated[str, Field(max_length=4000)], ...] = Field(
        min_length=1, max_length=8, description="The host's public keys, as `ssh-keyscan` prints them after the name."
    )
    user: Name = Field(description="Who logs in.")
    password: Secret | None = Field(None, description="The password. Sealed.")
    private_key: Secret | None = Field(None, description="The private key, not locked by a passphrase. Sealed.")

    @field_validator("path")
    @classmethod
    def _absolute(cls, value: str) -> str:
        if not value.startswith("/"):
            raise ValueError("must begin with `/`")
        return f"/{_folder(value)}"

    @model_validator(mode="after")
    def _one_way_in(self) -> SftpStore:
        if (self.password is None) == (self.private_key is None):
            raise ValueError("either password or private_key has to be given")
        return self


class WebdavStore(BaseModel):
    """A folder of a WebDAV server."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["webdav"]
    url: str = Field(min_length=1, max_length=2000, description="Address of the folder.")
    user: str | None = Field(None, pattern=r"^[^:\x00-\x1f\x7f]{1,255}$", description="Who logs in (Basic).")
    password: Secret | None = Field(None, description="The password. Sealed.")
    token: Secret | None = Field(None, description="Sent as `Authorization: Bearer …` instead. Sealed.")

    @model_validator(mode="after")
    def _one_way_in(self) -> WebdavStore:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password go together")
        if self.token is not None and self.user is not None:
            raise ValueError("token and user exclude each other")
        return self


class GcsStore(BaseModel):
    """A bucket of Google Cloud Storage."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["gcs"]
    bucket: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$", description="Name of the bucket.")
    prefix: str = Field("", max_length=900, description="Folder of the bucket that is the root; else all of it.")
    service_account: Secret | None = Field(
        None, description="The JSON of a service account's key; without one only a public bucket answers. Sealed."
    )
    endpoint: str = Field(
        "https://storage.googleapis.com", min_length=1, max_length=2000, description="Address of the service."
    )
    token_url: str = Field(
        "https://oauth2.googleapis.com/token", min_length=1, max_length=2000, description="Where the key is exchanged."
    )

    @field_validator("prefix")
    @classmethod
    def _ends_in_a_slash(cls, value: str) -> str:
        return _prefix(value)


class AzureStore(BaseModel):
    """A container of Azure Blob Storage."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["azure"]
    account: str = Field(pattern=r"^[a-z0-9]{3,24}$", description="Name of the storage account.")
    container: str = Field(
        pattern=r"^(?:\$root|\$web|[a-z0-9](?:-?[a-z0-9]){2,62})$", description="Name of the container."
    )
    prefix: str = Field("", max_length=900, description="Folder of the container that is the root; else all of it.")
    endpoint: str | None = Field(
        None, min_length=1, max_length=2000, description="Address of the account; else that of the public cloud."
    )
    account_key: Secret | None = Field(None, description="A key of the account, which may do everything. Sealed.")
    sas: Secret | None = Field(None, description="A shared access signature: `sv=…&sig=…`. Sealed.")
    tenant: str | None = Field(None, pattern=r"^[A-Za-z0-9.-]{1,253}$", description="Directory of an app registration.")
    client_id: str | None = Field(None, pattern=r"^[A-Za-z0-9-]{1,64}$", description="The app registration.")
    client_secret: Secret | None = Field(None, description="Its secret. Sealed.")
    login: str = Field(
        "https://login.microsoftonline.com", min_length=1, max_length=2000, description="Where the app logs in."
    )

    @field_validator("prefix")
    @classmethod
    def _ends_in_a_slash(cls, value: str) -> str:
        return _prefix(value)

    @model_validator(mode="after")
    def _one_way_in(self) -> AzureStore:
        app = (self.tenant, self.client_id, self.client_secret)
        if any(part is None for part in app) and any(part is not None for part in app):
            raise ValueError("tenant, client_id and client_secret go together")
        if sum(way is not None for way in (self.account_key, self.sas, self.tenant)) > 1:
            raise ValueError("account_key, sas and an app registration exclude each other")
        return self


class SmbStore(BaseModel):
    """A folder of a share that is reached by SMB."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["smb"]
    host: Name = Field(description="Name or address of the host.")
    port: int = Field(445, ge=1, le=65535, description="Its port.")
    share: str = Field(pattern=r'^[^\\/:*?"<>|\x00-\x1f\x7f]{1,80}$', description="Name of the share.")
    path: str = Field("", max_length=4096, description="Folder of the share that is the root; else all of it.")
    user: str = Field(pattern=r"^[^\\\x00-\x1f\x7f]{1,255}$", description="Who logs in (NTLM).")
    domain: str | None = Field(None, pattern=r"^[^\\\x00-\x1f\x7f]{1,255}$", description="Domain of the login.")
    password: Secret = Field(description="The password. Sealed.")

    @field_validator("path")
    @classmethod
    def _plain(cls, value: str) -> str:
        return _folder(value)


class FilesConfig(BaseModel):
    """Configuration of a source of files."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    keeps_secrets_through: ClassVar[frozenset[str]] = frozenset(
        {"include", "exclude", "hidden", "max_file_mb", "max_files", "base_url", "access", "object_tags"}
    )

    store: S3Store | GcsStore | AzureStore | SftpStore | SmbStore | WebdavStore = Field(
        discriminator="type", description="Where the files lie."
    )
    include: tuple[str, ...] = Field(
        ("*",), min_length=1, max_length=100, description="Globs over the path; one must match (`*` crosses `/`)."
    )
    exclude: tuple[str, ...] = Field((), max_length=100, description="Globs over the path; none may match.")
    hidden: bool = Field(False, description="Whether names that begin with a dot, and Office's `~$` locks, are read.")
    max_file_mb: int = Field(50, ge=1, le=200, description="Largest file offered, MiB.")
    max_files: int = Field(100_000, ge=1, le=1_000_000, description="A scan that meets more files and folders fails.")
    base_url: Address | None = Field(None, max_length=2000, description="Where people open the files.")
    access: Clauses = Field((), max_length=16, description="Clauses of every file; rules in the store add to them.")
    object_tags: bool = Field(
        False, description="Whether each object's tags `vouch-allow` and `vouch-deny` are one more clause."
    )

    @model_validator(mode="after")
    def _tags_are_of_objects(self) -> FilesConfig:
        if self.object_tags and self.store.type not in ("s3", "gcs", "azure"):
            raise ValueError("object_tags needs a store of type s3, gcs or azure")
        return self
