"""The file of profiles, what each of its mistakes is called, and the fingerprint of all that shapes an answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from retrieval.fingerprint import SHAPING, fingerprint
from retrieval.profiles.profile import OURS, Profile, Profiles, Spec
from tests.retrieval.world import World
from vouch.core.errors import BadConfig, InvalidInput
from vouch.core.settings import Settings
from vouch.gateway.gateway import Gateway
from vouch.gateway.rerank_document import DocumentReranker

MODELS = """
currency = "EUR"
[models.small]
provider = "openai"
url = "https://llm.example.org/v1"
model = "a"
key = { env = "KEY_OF_THE_SMALL" }
price = { input = 1, output = 2 }
"""


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    monkeypatch.setenv("KEY_OF_THE_SMALL", "sk-of-the-small-one")
    return Gateway.open(Settings(models=written(tmp_path / "models.toml", MODELS)))


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def opened(tmp_path: Path, text: str, gateway: Gateway) -> Profiles:
    return Profiles.open(Settings(profiles=written(tmp_path / "profiles.toml", text)), gateway)


def test_ours_are_always_there_and_the_files_beside_them(tmp_path: Path, gateway: Gateway) -> None:
    found = opened(
        tmp_path, '[profiles.careful]\nwriters = ["small", "extractive"]\npassages = 3\napproval = true\n', gateway
    )
    assert list(found.named) == ["routes", "chat", "extractive", "careful"]
    assert found.named["careful"].spec == Spec(writers=("small", "extractive"), passages=3, approval=True)
    assert list(Profiles.open(Settings(), Gateway()).named) == ["routes", "chat", "extractive"]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("[profiles.x]\nrank = true", "profiles.x.rank"),
        ("[profiles.x]\npassages = 0", "profiles.x.passages"),
        ("[profiles.x]\nabstain_below = 2", "profiles.x.abstain_below"),
        ('[profiles.x]\nwriters = ["strong"]', "profiles.x.writers"),
        ('[profiles.x]\nwriters = "poet"', "profiles.x.writers"),
        ("[profiles.x]\nwriters = []", "profiles.x.writers"),
        ('[profiles.x]\nwriters = ["small", "small"]', "profiles.x.writers"),
        ('[profiles.x]\nprompt = "answer.v99"', "profiles.x.prompt"),
        ('[profiles.x]\nprompt = "mark.v1"', "profiles.x.prompt"),
        ("[profiles.chat]\nrerank = false", "profiles.chat"),
        ('[profiles."No name"]', "profiles.No name.[key]"),
        ("[profiles]\n[prophiles.x]", "prophiles"),
        ("profiles = 1", "profiles"),
        ("no toml", "profiles"),
    ],
)
def test_a_mistake_is_named_with_its_field(tmp_path: Path, gateway: Gateway, text: str, field: str) -> None:
    with pytest.raises(BadConfig) as raised:
        opened(tmp_path, text, gateway)
    assert (raised.value.field or "").startswith(field) and "profiles.toml" in raised.value.detail


def test_a_file_that_is_not_there_and_one_without_end_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="cannot be read"):
        Profiles.open(Settings(profiles=tmp_path / "none.toml"), Gateway())
    with pytest.raises(BadConfig, match="longer than"):
        opened(tmp_path, "#" * 1_000_001, Gateway())


def test_prose_needs_a_model(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="no chat model"):
        opened(tmp_path, '[profiles.x]\nwriters = "chat"', Gateway())
    with pytest.raises(InvalidInput, match="No chat model"):
        Profiles().require("chat", Gateway(), field="profile")


def test_a_digest_tells_whatever_a_profile_says() -> None:
    specs = (
        Spec(), Spec(writers="chat"), Spec(writers=("a",)), Spec(writers=("a", "b")), Spec(writers=("b", "a")),
        Spec(passages=8), Spec(rerank=False), Spec(approval=True), Spec(abstain_below=0.5),
    )  # fmt: skip
    assert len({Profile("x", spec).digest for spec in specs}) == len(specs)
    assert Profile("x", Spec()).digest == Profile("x", Spec()).digest


NOT_SHAPING = {
    "data_dir", "host", "port", "tenant", "database_url", "redis_url", "qdrant_url", "qdrant_api_key", "blob_url",
    "secret_key", "former_secret_keys", "seal_key", "embed_threads", "chat_api_key", "keep_traces", "worker_processes",
    "lease_s", "sweep_every_s", "scans_at_once", "scan_limit_s", "max_document_mb", "parse_memory_mb", "parse_cpu_s",
    "outbound_allow", "smtp_host", "smtp_port", "smtp_security", "smtp_user", "smtp_password", "smtp_password_file",
    "smtp_ca_file", "mail_from", "public_url", "otlp_endpoint", "log_level",
    "approval_workflows", "approval_claim_min", "reuse", "reuse_max_age_s",
    "models", "profiles",  # what stands in these files is in it
}  # fmt: skip


def test_of_every_setting_it_is_decided_whether_it_shapes_an_answer() -> None:
    assert set(SHAPING) | NOT_SHAPING == set(Settings.model_fields)
    assert not set(SHAPING) & NOT_SHAPING


def test_a_fingerprint_changes_with_what_shapes_an_answer_and_with_nothing_else(
    empty: World, tmp_path: Path, gateway: Gateway
) -> None:
    services = empty.services
    first = fingerprint(services)
    assert len(first) == 16 and int(first, 16) >= 0
    settings = services.settings
    indifferent = settings.model_copy(update={"port": 9, "data_dir": tmp_path, "secret_key": SecretStr("x" * 40)})
    assert fingerprint(replace(services, settings=indifferent, openings=None)) == first
    other_model = Gateway.open(Settings(models=written(tmp_path / "m.toml", MODELS.replace('"a"', '"b"'))))
    changed = [
        replace(services, generation="g2"),
        replace(services, recipe=replace(services.recipe, lexical="german.v1")),
        replace(services, reranker=None),
        replace(services, reranker=DocumentReranker()),
        replace(services, gateway=gateway),
        replace(services, gateway=other_model),
        replace(services, profiles=Profiles({one.name: one for one in (*OURS, Profile("x", Spec(passages=2)))})),
        *(
            replace(services, settings=settings.model_copy(update={name: value}))
            for name, value in (("abstain_below", 0.5), ("privacy", "refuse"), ("chat_output", "prompted"))
        ),
    ]
    found = {fingerprint(one) for one in changed}
    assert first not in found and len(found) == len(changed)


def test_nothing_of_a_key_is_in_what_describes_the_models(gateway: Gateway) -> None:
    told = str(gateway.described())
    assert "llm.example.org" in told and "key" not in told.lower()
