"""Two tenants, each with an identity provider of its own, and the real application over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from acl import directory, oidc
from acl.caller import Asker, asking
from acl.issuers import Trust, put_issuer
from acl.jwks import KeySets
from acl.keys import ADMINISTRATOR, create_key
from tests.acl.issuing import AUDIENCE, Provider, serving
from tests.applications import lent
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.tables import Tenant
from vouch.cli.application import create_application
from vouch.core.settings import Settings

SECRET = "a-secret-for-the-tests-of-identity-alone"
ALICE = "user:okta/00u1"


@dataclass
class Clock:
    """What the key sets take for the time."""

    moment: float = 1000.0

    def __call__(self) -> float:
        return self.moment


@dataclass
class Identity:
    """Tenant ``t`` trusts ``provider`` as `okta`, tenant ``other`` trusts ``stranger`` as `idp`."""

    catalog: Catalog
    provider: Provider
    stranger: Provider
    clock: Clock = field(default_factory=Clock)

    def trust(self, **changed: Any) -> None:
        """Configure `okta` anew, with these settings."""
        given = {"url": self.provider.url, "audience": AUDIENCE, "algorithms": ("ES256",), **changed}
        with self.catalog.transaction("t") as session:
            put_issuer(session, "t", "okta", Trust(**given), actor="test")

    def user(self, user: str, *, active: bool = True, tenant: str = "t") -> None:
        with self.catalog.transaction(tenant) as session:
            directory.put_user(session, tenant, user, name=user, active=active, actor="test")

    def key(self, *scopes: str, tenant: str = "t", **given: Any) -> str:
        with self.catalog.transaction(tenant) as session:
            return create_key(
                session, SECRET, tenant, name="test", scopes=scopes or ADMINISTRATOR, actor="test", **given
            ).secret


@pytest.fixture
def identity(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> Iterator[Identity]:
    """Alice is known in ``t``, and a namesake of hers in ``other``."""
    with serving() as provider, serving() as stranger:
        stranger.rotate("s1")
        made = Identity(catalog, provider, stranger)
        monkeypatch.setattr(oidc, "KEY_SETS", KeySets(moment=made.clock))
        for tenant in ("t", "other"):
            with catalog.transaction(ACROSS_TENANTS) as session:
                session.add(Tenant(id=tenant, name=tenant))
        made.trust()
        made.user(ALICE)
        with catalog.transaction("other") as session:
            trust = Trust(url=stranger.url, audience=AUDIENCE, algorithms=("ES256",))
            put_issuer(session, "other", "idp", trust, actor="test")
        made.user("user:idp/00u1", tenant="other")
        yield made


class Moving(Settings):
    """Of an application that goes from test to test: what it opens when it starts is where these say."""

    model_config = SettingsConfigDict(frozen=False)


@cache
def _settings() -> Moving:
    return Moving(secret_key=SecretStr(SECRET), tenant="t")


def _application() -> FastAPI:
    app = create_application(_settings(), "ingestion")

    @app.get("/v1/whoami")
    def whoami(asker: Annotated[Asker, Depends(asking)]) -> dict[str, str]:
        return {"tenant": asker.tenant, "user": asker.user, "by": asker.key_id}

    return app


@pytest.fixture
def http(identity: Identity, database_url: str, tmp_path: Path) -> Iterator[TestClient]:
    """The ingestion service, and one route more that tells an asker who they are."""
    settings = _settings()
    settings.data_dir, settings.database_url = tmp_path, SecretStr(database_url)
    with lent("identity", _application) as app:
        app.state.secret_key = SECRET
        with TestClient(app, raise_server_exceptions=False) as client:
            yield client
