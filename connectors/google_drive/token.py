"""Who asks Google Drive: a service account, in its own name or a user's, or an OAuth client that a user let read."""

from __future__ import annotations

from connectors.google import ServiceAccount
from connectors.google_drive.config import GoogleDriveConfig
from connectors.oauth import exchanged, held
from connectors.rest import ShortToken
from vouch.core.errors import BadConfig
from vouch.outbound.door import Outbound

DRIVE_SCOPES = ("https://www.googleapis.com/auth/drive.readonly",)
DIRECTORY_SCOPES = tuple(
    f"https://www.googleapis.com/auth/admin.directory.{what}.readonly" for what in ("user", "group", "group.member")
)


def credentials(config: GoogleDriveConfig, url: str, outbound: Outbound) -> tuple[ShortToken, ShortToken | None]:
    """Tokens for Drive, and for the directory where one is configured. Raises :class:`BadConfig`."""
    client = (config.client_id, config.client_secret, config.refresh_token)
    if config.service_account is not None:
        if any(part is not None for part in client):
            raise _fault("service_account", "either a service account or an OAuth client, not both")
        account = ServiceAccount(config.service_account, url, outbound)
        if config.directory is None:
            return account.token(DRIVE_SCOPES, config.subject), None
        return account.token(DRIVE_SCOPES, config.subject), account.token(DIRECTORY_SCOPES, config.directory.subject)
    if config.client_id is None or config.client_secret is None or config.refresh_token is None:
        raise _fault("service_account", "needed, or else client_id, client_secret and refresh_token")
    for field in ("subject", "directory"):
        if getattr(config, field) is not None:
            raise _fault(field, "only a service account can read in another's name")
    form = {
        "grant_type": "refresh_token",
        "client_id": config.client_id,
        "client_secret": config.client_secret.get_secret_value(),
        "refresh_token": config.refresh_token.get_secret_value(),
    }
    return held(lambda: exchanged(outbound, url, form), url, *form.values()), None


def _fault(field: str, said: str) -> BadConfig:
    return BadConfig(f"config.{field}: {said}", field=f"config.{field}")
