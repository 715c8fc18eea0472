"""A secret of a source over HTTP, in every process: told once, never seen again, carried to a new key while it runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.connectors.web.site import Site, page, site
from tests.ingestion.hooks import verified
from tests.outbound.serving import Reply, serving
from tests.platform.conftest import Platform, platform_on, problem
from vouch.core.settings import Settings

SECRET = "Bearer correct-horse-battery"
MARK = {"sealed": True}


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, model_settings: Settings, embedder: object
) -> Iterator[Platform]:
    """One that may read sites on loopback."""
    folder = tmp_path_factory.mktemp("platform") / "data"
    with platform_on(folder, model_settings, outbound_allow="127.0.0.1") as platform:
        yield platform


@pytest.fixture(scope="module")
def small() -> Iterator[Site]:
    with site(
        {"/": page(head="<title>Canteen</title>", text="<p>The canteen serves herring on Mondays.</p>")}
    ) as found:
        yield found


def test_a_secret_is_told_once_and_used_under_every_key(platform: Platform, small: Site) -> None:
    config = {"start": [small.url("/")], "delay_s": 0, "access": [{"allow": ["group:staff"]}]}
    seen = [
        platform.http.post(
            "/v1/sources", json={"name": "s", "kind": "web", "config": {**config, "authorization": SECRET}}
        )
    ]
    assert seen[0].status_code == 201
    assert platform.synced("s")["state"] == "succeeded"
    assert platform.search("alice", "herring on Mondays") and not platform.search("bob", "herring on Mondays")
    command = [sys.executable, "-P", "-m", "vouch.cli", "secrets", "rotate", "--json"]
    env = {**os.environ, "VOUCH_DATA_DIR": str(platform.settings.data_dir)}
    rotated = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert json.loads(rotated.stdout)["sources"] == 1
    small.server.asked.clear()
    assert platform.synced("s", "full")["state"] == "succeeded"
    assert {asked.headers.get("authorization") for asked in small.server.asked} == {SECRET}
    seen += [platform.http.get("/v1/sources/s"), platform.http.get("/v1/sources")]
    shown = seen[1].json()["config"]
    assert shown["authorization"] == MARK
    seen.append(platform.http.patch("/v1/sources/s", json={"config": {**shown, "max_depth": 1}}))
    assert seen[-1].json()["config"] == {**shown, "max_depth": 1}
    elsewhere = platform.http.patch("/v1/sources/s", json={"config": {**shown, "start": ["https://www.example.org/"]}})
    problem(elsewhere, 422, "bad_config", "config.authorization")
    seen += [elsewhere, platform.http.get("/v1/audit"), platform.http.get("/v1/connectors")]
    assert "secrets.rotate" in seen[-2].text
    assert not [response.url for response in seen if "correct-horse" in response.text]


def test_a_webhook_is_called_with_what_its_secret_signs(platform: Platform) -> None:
    """Through every process: the API writes it, the scheduler finds it due, a worker calls. The secret is told once."""
    with serving(lambda heard: Reply(204)) as receiver:
        body = {"url": f"{receiver.url}/token-of-ours", "events": ["job.ended", "document.quarantined"]}
        made = platform.ok("POST", "/v1/webhooks", json=body)
        secret, path = made.pop("secret"), f"/v1/webhooks/{made['id']}"
        seen = [platform.http.get(path), platform.http.get("/v1/webhooks")]
        assert seen[0].json() == made
        test = platform.ok("POST", f"{path}/test")
        platform.until(lambda: platform.ok("GET", f"{path}/deliveries?state=delivered")["deliveries"])
        (heard,) = receiver.asked
        assert heard.headers["webhook-id"] == test["id"]
        assert verified([secret], heard)["type"] == "webhook.test"
        source = platform.source("broken")
        bad = {"content_base64": "AAAA", "mime": "application/pdf", "access": None}
        job = platform.ok("PUT", f"/v1/sources/{source}/documents/a.pdf", json=bad)["job_id"]
        assert platform.ended(job)["state"] == "failed"
        platform.until(lambda: len(receiver.asked) > 1)
        told = verified([secret], receiver.asked[1])
        assert (told["type"], told["data"]["quarantined"][0]["job_id"]) == ("document.quarantined", job)
        again = platform.ok("POST", f"{path}/secret")
        assert again["former_secret_until"] and again["secret"] != secret
        platform.until(lambda: not platform.ok("GET", f"{path}/deliveries?state=waiting")["deliveries"])
        assert platform.ok("PATCH", path, json={"state": "paused"})["state"] == "paused"
        problem(platform.http.post(f"{path}/test"), 409, "conflict")
        seen += [platform.http.get(f"{path}/deliveries"), platform.http.delete(path), platform.http.get("/v1/audit")]
        problem(platform.http.get(path), 404, "not_found")
    actions = [entry["action"] for entry in seen[-1].json()["entries"] if entry["subject"] == f"webhook:{made['id']}"]
    assert actions == ["webhook.delete", "webhook.change", "webhook.secret", "webhook.create"]
    assert "token-of-ours" not in seen[-1].text
    for told_once in (secret, again["secret"]):
        assert not [response.url for response in seen if told_once.removeprefix("whsec_") in response.text]
    for url in (
        "http://169.254.169.254/",
        "https://10.0.0.1/",
        "http://www.example.org/",
        "https://u:p@www.example.org/",
    ):
        problem(platform.http.post("/v1/webhooks", json={**body, "url": url}), 422, "outbound_refused", "url")


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"start": ["http://169.254.169.254/latest/meta-data/"]}, "config.start"),
        ({"start": ["http://10.0.0.1/"]}, "config.start"),
        ({"start": ["http://user:password@www.example.org/"]}, "config.start"),
        ({"start": ["https://www.example.org/"], "authorization": MARK}, "config.authorization"),
        ({"start": ["https://www.example.org/"], "token": SECRET}, "config.token"),
    ],
)
def test_what_may_not_be_reached_or_kept_is_refused_by_field(
    platform: Platform, config: dict[str, object], field: str
) -> None:
    response = platform.http.post("/v1/sources", json={"name": "refused", "kind": "web", "config": config})
    problem(response, 422, "bad_config", field)
    assert "correct-horse" not in response.text
