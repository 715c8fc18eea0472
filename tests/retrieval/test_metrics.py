"""What `/metrics` counts of a question: who gave way, what was paid, what was said and refused, what people said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from tests.retrieval.world import World
from vouch.core.settings import Settings
from vouch.gateway.fake_chat import FakeChat
from vouch.gateway.gateway import Gateway

HOTEL = "What are hotel costs reimbursed up to per night?"


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"vouch_{name}", labels) or 0.0


@pytest.fixture
def model(world: World, tmp_path: Path) -> Iterator[FakeChat]:
    """A priced model behind ``world``, with the embedded answerer as the last resort."""
    with FakeChat() as server:
        file = tmp_path / "models.toml"
        file.write_text(
            'currency = "EUR"\n'
            f'[models.priced]\nprovider = "openai"\nurl = "{server.url}"\nmodel = "m"\nretries = 0\n'
            "price = { input = 1.0, output = 2.0 }\n"
            '[[routes]]\nmodels = ["priced"]\nlast_resort = true\n'
        )
        gateway = Gateway.open(Settings(data_dir=tmp_path, models=file))
        world.use(gateway=gateway)
        yield server
        gateway.close()


def test_money_is_counted_as_it_is_spent(world: World, model: FakeChat) -> None:
    before = counted("model_cost_total", writer="priced", currency="EUR")
    answer = world.ask("bob", HOTEL)
    paid = counted("model_cost_total", writer="priced", currency="EUR") - before
    assert paid == pytest.approx(float(answer["usage"]["cost"])) and paid > 0


def test_a_writer_that_gives_way_is_counted_with_why(world: World, model: FakeChat) -> None:
    model.behave("server_error")
    before = counted("fallbacks_total", writer="priced", reason="server_error")
    assert world.ask("bob", HOTEL)["usage"]["writer"] == "extractive"
    assert counted("fallbacks_total", writer="priced", reason="server_error") == before + 1
    model.behave("honest")
    world.ask("bob", HOTEL)
    assert counted("fallbacks_total", writer="priced", reason="server_error") == before + 1


def test_claims_are_counted_by_their_verdict_and_refused_ones_by_their_reason(world: World, model: FakeChat) -> None:
    supported, altered = (
        counted("claims_total", verdict="supported"),
        counted("rejected_claims_total", reason="altered_quote"),
    )
    assert len(world.ask("bob", HOTEL)["claims"]) == counted("claims_total", verdict="supported") - supported > 0
    model.behave("altered_quote")
    abstained = counted("abstentions_total", reason="low_confidence") + counted(
        "abstentions_total", reason="no_evidence"
    )
    assert world.ask("bob", HOTEL)["kind"] == "abstention"
    assert counted("rejected_claims_total", reason="altered_quote") > altered
    told = sum(counted("abstentions_total", reason=reason) for reason in ("low_confidence", "no_evidence"))
    assert told == abstained + 1


def test_what_people_said_is_counted_and_what_is_not_theirs_is_not(world: World) -> None:
    answer = world.ask("bob", HOTEL)["answer_id"]
    before = {said: counted("feedback_total", helpful=said) for said in ("yes", "no")}
    assert world.post(f"/answers/{answer}/feedback", "alice", helpful=True).status_code == 404
    for helpful in (True, False, False):
        assert world.post(f"/answers/{answer}/feedback", "bob", helpful=helpful).status_code == 204
    assert {said: counted("feedback_total", helpful=said) - before[said] for said in ("yes", "no")} == {
        "yes": 1, "no": 2,
    }  # fmt: skip


def test_every_step_of_a_walk_is_timed(world: World) -> None:
    steps = ("resolve", "search", "recheck", "pack", "generate", "verify", "guard", "release")
    before = {step: counted("step_seconds_count", kind="ask", step=step) for step in steps}
    world.ask("bob", HOTEL)
    assert all(counted("step_seconds_count", kind="ask", step=step) > before[step] for step in steps)
