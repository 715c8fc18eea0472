"""A profile is settings of the product: it goes before the environment, and what is no such setting is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from evals.profiles import CHOICES, FILE, STANDING, profile, profiles
from vouch.core.errors import BadConfig
from vouch.core.settings import Settings


def test_our_own_file_has_the_standing_profiles_and_each_says_what_it_is() -> None:
    found = profiles()
    assert {*STANDING, "default"} <= set(found)
    assert all(one.about for one in found.values())
    assert set(CHOICES) <= set(Settings.model_fields)
    assert [found[name].mode for name in STANDING] == ["lexical", "dense", "hybrid", "hybrid", "hybrid"]


def test_a_profile_goes_before_the_environment_and_the_default_leaves_it() -> None:
    environment = Settings(reranker="lexical", embed_threads=7)
    assert profile("hybrid").settings(environment).reranker == "none"
    assert profile("hybrid").settings(environment).embed_threads == 7
    assert profile("default").settings(environment) == environment
    said = profile("default").choices(environment, "the embedder")
    assert (said["reranker"], said["embedder"], said["mode"]) == ("lexical", "the embedder", "hybrid")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("[a]\nmode = 'telepathy'", "a.mode"),
        ("[a]\nfusion = 3", "a.fusion"),
        ("[a]\nsettings = { port = 80 }", "a.settings"),
        ("[a]\nsettings = 3", "a.settings"),
        ("[a]\nchunk = { target = 20, limit = 10 }", "a.chunk"),
        ("[a]\nchunk = { size = 20 }", "a.chunk"),
        ("[a]\nchunk = { target = 'x' }", "a.chunk"),
        ("a = 1", "a"),
        ("[a", "profiles"),
    ],
)
def test_what_is_no_profile_is_refused(text: str, field: str, tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(text)
    with pytest.raises(BadConfig) as caught:
        profiles(tmp_path / "p.toml")
    assert caught.value.field == field


def test_a_value_that_the_setting_does_not_take_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text("[a]\nsettings = { reranker = 'magic' }")
    with pytest.raises(BadConfig, match="'a'") as caught:
        profile("a", tmp_path / "p.toml").settings(Settings())
    assert caught.value.field == "reranker"
    with pytest.raises(BadConfig, match="hybrid"):
        profile("magic", FILE)
