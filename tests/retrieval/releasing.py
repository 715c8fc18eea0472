"""A company with models and profiles of its own, and how its administrator releases them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from retrieval.profiles.aside import Aside
from retrieval.profiles.profile import Profiles
from tests.retrieval.world import World
from vouch.core.settings import Settings
from vouch.core.types import Json
from vouch.gateway.fake_chat import FakeChat
from vouch.gateway.gateway import Gateway

HOTEL = "How much is reimbursed for a hotel per night?"
MODELS = """
currency = "EUR"
[models.small]
provider = "openai"
url = "{small}"
model = "m-small"
retries = 0
price = {{ input = 100, output = 100 }}
[models.other]
provider = "openai"
url = "{other}"
model = "m-other"
retries = 0
price = {{ input = 1000, output = 1000 }}
[models.elsewhere]
provider = "openai"
url = "{other}"
model = "m-other"
tenants = ["another"]
[[routes]]
models = ["extractive"]
"""
PROFILES = """
[profiles.careful]
writers = ["small", "extractive"]
approval = true
[profiles.brief]
writers = ["other"]
passages = 1
[profiles.strict]
writers = "extractive"
abstain_below = 1.0
[profiles.foreign]
writers = ["elsewhere"]
"""


@contextmanager
def with_profiles(world: World, folder: Path) -> Iterator[dict[str, FakeChat]]:
    """The servers of the models ``small`` and ``other``; :data:`PROFILES` are configured."""
    with FakeChat() as small, FakeChat() as other:
        (folder / "models.toml").write_text(MODELS.format(small=small.url, other=other.url))
        (folder / "profiles.toml").write_text(PROFILES)
        gateway, aside = Gateway.open(Settings(models=folder / "models.toml")), Aside()
        world.use(gateway=gateway, profiles=configured(folder, gateway), aside=aside)
        try:
            yield {"small": small, "other": other}
        finally:
            for one in (small, other):
                one.release()
            aside.close()
            gateway.close()


def configured(folder: Path, gateway: Gateway) -> Profiles:
    return Profiles.open(Settings(profiles=folder / "profiles.toml"), gateway)


def admin(world: World, method: str, path: str = "", status: int = 200, **kw: Any) -> Json:
    response = world.client.request(method, f"/v1/releases{path}", headers=world.headers(None, "admin"), **kw)
    assert response.status_code == status, response.text
    found: Json = response.json()
    return found


def released(world: World, stable: str | None, status: int = 200, workflow: str = "", **tried: tuple[str, int]) -> Json:
    body: Json = {"stable": stable, "workflow": workflow}
    body |= {role: {"profile": name, "percent": percent} for role, (name, percent) in tried.items()}
    return admin(world, "PUT", status=status, json=body)


def rollback(world: World) -> Json:
    return admin(world, "POST", "/rollback", json={})


def made(answer: Json) -> tuple[str, str]:
    return answer["made_by"]["profile"], answer["made_by"]["arm"]
