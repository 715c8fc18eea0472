"""Webhooks against a real HTTP server: what is told, how it is signed, and what becomes of a call that fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Event as Moment
from typing import Any

import pytest

from ingestion.jobs import cancel, find_job
from ingestion.rotate import rotate
from ingestion.webhooks import queue, targets
from ingestion.webhooks.ages import tell_ages, wanting
from ingestion.webhooks.deliver import deliver_batch, deliver_next
from ingestion.webhooks.queue import KEEP, LEASE_S, MAX_ATTEMPTS, PAUSED_AFTER, PAUSES_S, RING_AGAIN_S
from ingestion.webhooks.signing import new_secret, signed
from ingestion.webhooks.targets import BOTH_FOR, MOST, Asked, permitted
from tests.docs.pages import examples
from tests.ingestion.hooks import SECRET_WORDS, Hooks, Receiver, verified
from tests.outbound import hostile
from tests.outbound.recording import PUBLIC, World
from tests.outbound.serving import Reply, serving
from tests.outbound.test_ssrf import CASES
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.tables import Document
from vouch.core import clock
from vouch.core.errors import Conflict, NotFound, OutboundRefused
from vouch.core.sealing import key_file, make_key_file
from vouch.core.settings import Settings
from vouch.outbound.door import Outbound

DAY = 86_400
FAR = 10 * DAY


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def hooks(catalog: Catalog, tmp_path: Path, receiver: Receiver) -> Iterator[Hooks]:
    settings = Settings(data_dir=tmp_path / "data", outbound_allow="127.0.0.1")
    make_key_file(key_file(settings))
    with serving(receiver) as server:
        found = Hooks(catalog, settings, f"{server.url}/hook", server.asked)
        found.tenant("acme", "s", "other")
        found.tenant("umbrella", "s")
        yield found


# --- what is told ---------------------------------------------------------------------------------------------------


def test_a_job_that_ends_is_told_signed_and_once(hooks: Hooks) -> None:
    webhook, job = hooks.webhook(), hooks.job()
    hooks.ended(job)
    assert hooks.turn(webhook) == 1 and hooks.turn(webhook, after_s=FAR) == 0
    (told,), (row,) = hooks.told(webhook), hooks.deliveries(webhook)
    data = told["data"]
    assert (told["type"], told["timestamp"]) == ("job.ended", clock.rfc3339(row.at))
    assert (data["job_id"], data["kind"], data["state"]) == (job, "incremental", "succeeded")
    assert data["source"] == {"id": "s", "name": "name of s"}
    assert data["counts"] == {"seen": 12, "quarantined": 0, "published": 0}
    assert hooks.heard[0].method == "POST" and hooks.heard[0].path == "/hook"
    assert hooks.heard[0].headers["webhook-id"] == row.id
    assert (row.state, row.status, row.attempts, row.problem) == ("delivered", 200, 1, None)


def test_a_job_that_was_cancelled_is_told(hooks: Hooks) -> None:
    webhook, job = hooks.webhook(), hooks.job(hooks.document())
    with hooks.catalog.transaction("acme") as session:
        cancel(session, "acme", job)
    hooks.turn(webhook, after_s=60)
    ended, quarantined = hooks.told(webhook)
    assert (ended["data"]["state"], ended["data"]["reasons"]) == ("cancelled", {"corrupt": 1})
    assert quarantined["type"] == "document.quarantined"


def test_what_was_undone_is_not_told(hooks: Hooks) -> None:
    webhook, job = hooks.webhook(), hooks.job()
    with pytest.raises(ZeroDivisionError), hooks.catalog.transaction("acme") as session:
        cancel(session, "acme", job)
        _ = 1 / 0
    assert hooks.deliveries(webhook) == []


def test_who_wants_something_else_is_not_told(hooks: Hooks) -> None:
    of_other = hooks.webhook(sources=["name of other"])
    stale_only = hooks.webhook(events=["documents.stale"])
    elsewhere = hooks.webhook("umbrella")
    hooks.ended(hooks.job(), hooks.job(hooks.document(), kind="push"))
    assert [hooks.deliveries(one) for one in (of_other, stale_only)] == [[], []]
    assert hooks.deliveries(elsewhere, "umbrella") == []
    hooks.ended(hooks.job(source="other"), hooks.job(tenant="umbrella"))
    assert [row.event for row in hooks.deliveries(of_other)] == ["job.ended"]
    (row,) = hooks.deliveries(elsewhere, "umbrella")
    assert row.data["source"]["id"] == "s"


def test_the_quarantined_of_a_job_are_one_call(hooks: Hooks) -> None:
    webhook = hooks.webhook(events=["document.quarantined"])
    kept, never, gone = hooks.document(), hooks.document(state="quarantined"), hooks.document(state="deleted")
    job = hooks.job(kept, never, gone)
    hooks.ended(job)
    hooks.turn(webhook, after_s=60)
    (told,) = hooks.told(webhook)
    assert (told["data"]["documents"], told["data"]["reasons"]) == (2, {"corrupt": 2})
    states = {one["document_id"]: (one["state"], one["job_id"]) for one in told["data"]["quarantined"]}
    assert states == {kept: ("live", job), never: ("quarantined", job)}


def test_a_flood_of_quarantined_pushes_is_one_call(hooks: Hooks) -> None:
    webhook = hooks.webhook()
    for source in ("s", "other"):
        for _ in range(110):
            hooks.ended(hooks.job(hooks.document(source), source=source, kind="push"))
    assert hooks.turn(webhook) == 0  # others may follow
    assert hooks.turn(webhook, after_s=60) == 2
    for told in hooks.told(webhook):
        assert (told["data"]["documents"], len(told["data"]["quarantined"])) == (110, 100)
    assert {told["data"]["source"]["id"] for told in hooks.told(webhook)} == {"s", "other"}
    assert [row.state for row in hooks.deliveries(webhook)] == ["delivered", "delivered"]


def test_what_went_out_under_an_id_does_not_change(hooks: Hooks, receiver: Receiver) -> None:
    """A receiver knows a call by its id: one that is made again takes nothing new along, nor is it taken along."""
    webhook = hooks.webhook(events=["document.quarantined"])
    hooks.ended(hooks.job(hooks.document()))
    hooks.turn(webhook, after_s=60)
    (row,) = hooks.deliveries(webhook)
    with hooks.catalog.transaction("acme") as session:
        queue.again(session, "acme", webhook, row.id)
    hooks.ended(hooks.job(hooks.document()))
    assert hooks.turn(webhook, after_s=60) == 2
    first, again, other = hooks.heard
    assert (again.body, again.headers["webhook-id"]) == (first.body, row.id)
    assert (
        other.headers["webhook-id"] != row.id and [one["data"]["documents"] for one in hooks.told(webhook)] == [1] * 3
    )


def test_no_call_holds_a_word_of_content(hooks: Hooks) -> None:
    webhook = hooks.webhook()
    stale = hooks.document(stale_after_s=DAY, modified_at=clock.now() - timedelta(days=9), owner="user:carol")
    hooks.ended(hooks.job(stale))
    tell_ages(hooks.catalog, "acme", webhook)
    assert hooks.turn(webhook, after_s=60) == 3
    everything = b"".join(one.body for one in hooks.heard).decode() + str([one.headers for one in hooks.heard])
    assert stale in everything
    assert not [word for word in SECRET_WORDS if word in everything]


def test_each_age_of_a_document_is_told_once(hooks: Hooks) -> None:
    webhook, elsewhere = hooks.webhook(), hooks.webhook("umbrella")
    now = clock.now()
    aging = {"modified_at": now, "stale_after_s": 10 * DAY, "expire_after_s": 20 * DAY}
    mine, theirs = hooks.document(**aging, owner="user:carol"), hooks.document("other", **aging)
    hooks.document(**{**aging, "state": "deleted"})
    with hooks.catalog.reading(ACROSS_TENANTS) as session:
        assert wanting(session) == [("acme", webhook), ("umbrella", elsewhere)]

    def look(days: float) -> int:
        with clock.frozen(now + timedelta(days=days)):
            return tell_ages(hooks.catalog, "acme", webhook)

    assert [look(9), look(11), look(12), look(21), look(22)] == [0, 2, 0, 2, 0]
    with hooks.catalog.transaction("acme") as session:
        document = session.get(Document, ("acme", mine))
        assert document is not None
        document.modified_at = now + timedelta(days=22)
        session.add(document)
    assert [look(23), look(33), look(34)] == [0, 1, 0]  # changed, it is fresh, and then old once more
    hooks.turn(webhook, at=now, after_s=40 * DAY)
    told = [one["data"] for one in hooks.told(webhook)]
    seen = [(one["source"]["id"], {state: n for state, n in one["states"].items() if n}) for one in told]
    both = [("other", {"stale": 1}), ("s", {"stale": 1}), ("other", {"expired": 1}), ("s", {"expired": 1})]
    assert seen == [*both, ("s", {"stale": 1})]
    (owner,) = told[1]["owners"]
    assert (owner["owner"], owner["document_ids"]["stale"]) == ("user:carol", [mine])
    assert told[0]["owners"][0]["document_ids"]["stale"] == [theirs]
    assert hooks.deliveries(elsewhere, "umbrella") == []


# --- a call that fails ----------------------------------------------------------------------------------------------


def test_a_call_that_failed_is_made_again_the_same(hooks: Hooks, receiver: Receiver) -> None:
    receiver.replies = [Reply(500, SECRET_WORDS[2].encode())]
    webhook, now = hooks.webhook(), clock.now()
    hooks.ended(hooks.job())
    assert hooks.turn(webhook, after_s=1) == 1
    (row,) = hooks.deliveries(webhook)
    assert (row.state, row.status, row.attempts) == ("waiting", 500, 1)
    assert row.problem and row.problem["reason"] == "refused" and SECRET_WORDS[2] not in str(row.problem)
    assert hooks.turn(webhook, after_s=2) == 0  # not yet
    assert hooks.turn(webhook, at=now, after_s=PAUSES_S[0] * 1.2 + 10) == 1
    (row,) = hooks.deliveries(webhook)
    assert (row.state, row.status, row.attempts) == ("delivered", 200, 2)
    first, second = hooks.heard
    assert first.body == second.body and first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    assert len(hooks.told(webhook)) == 2
    assert hooks.row(webhook).failures == 0


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(404), "refused"),
        (Reply(302, b"", {"Location": "/elsewhere"}), "refused"),
        (Reply(200, b"x" * 70_000), "payload_too_large"),
        (Reply(200, b"x", declared=9), "unreachable"),
    ],
)
def test_what_is_no_yes_is_a_no(hooks: Hooks, receiver: Receiver, reply: Reply, reason: str) -> None:
    receiver.replies = [reply]
    webhook = hooks.webhook()
    hooks.ended(hooks.job())
    hooks.turn(webhook)
    (row,) = hooks.deliveries(webhook)
    assert (row.state, row.problem and row.problem["reason"]) == ("waiting", reason)
    assert [one.path for one in hooks.heard] == ["/hook"]


def test_a_receiver_that_asks_to_be_left_alone_is(hooks: Hooks, receiver: Receiver) -> None:
    receiver.replies = [Reply(429, b"", {"Retry-After": "7200"})]
    webhook, now = hooks.webhook(), clock.now()
    hooks.ended(hooks.job())
    hooks.turn(webhook, at=now, after_s=1)
    hooks.ended(hooks.job())  # another call does not reach it either
    assert hooks.turn(webhook, at=now, after_s=7_000) == 0
    assert hooks.turn(webhook, at=now, after_s=7_300) == 2


def test_a_receiver_that_is_gone_is_called_no_more(hooks: Hooks, receiver: Receiver) -> None:
    receiver.replies = [Reply(410)]
    webhook = hooks.webhook()
    hooks.ended(hooks.job())
    hooks.turn(webhook)
    found = hooks.row(webhook)
    assert (found.state, found.problem and found.problem["reason"]) == ("disabled", "gone")
    hooks.ended(hooks.job())
    assert [row.state for row in hooks.deliveries(webhook)] == ["dead"]
    assert hooks.turn(webhook, after_s=FAR) == 0


def test_after_a_day_of_failures_it_is_dead_the_webhook_paused_and_both_can_be_revived(
    hooks: Hooks, receiver: Receiver
) -> None:
    receiver.replies = [Reply(503)] * MAX_ATTEMPTS
    webhook, at = hooks.webhook(), clock.now()
    hooks.ended(hooks.job())
    for pause in (0, *PAUSES_S):
        assert hooks.row(webhook).state == "active"
        at += timedelta(seconds=pause * 1.2 + 1)
        assert hooks.turn(webhook, at=at) == 1
    (row,) = hooks.deliveries(webhook)
    assert (row.state, row.attempts, row.status) == ("dead", MAX_ATTEMPTS, 503)
    found = hooks.row(webhook)
    assert (found.state, found.problem and found.problem["reason"]) == ("paused", "failing")
    assert at - clock.now() > PAUSED_AFTER
    hooks.ended(hooks.job())  # what happens meanwhile waits
    assert hooks.turn(webhook, at=at, after_s=FAR) == 0
    with hooks.catalog.transaction("acme") as session:
        targets.change(session, hooks.settings, targets.find(session, "acme", webhook, lock=True), Asked(active=True))
        queue.again(session, "acme", webhook, row.id)
    assert hooks.turn(webhook, at=at, after_s=1) == 2
    assert [one.state for one in hooks.deliveries(webhook)] == ["delivered", "delivered"]
    assert len({one.headers["webhook-id"] for one in hooks.heard}) == 2


def test_a_receiver_that_nobody_can_reach_is_left_alone_between_two_calls(hooks: Hooks) -> None:
    webhook = hooks.webhook(url="http://127.0.0.1:1/")
    hooks.ended(hooks.job(), hooks.job(), hooks.job())
    assert hooks.turn(webhook) == 1
    assert sorted(row.attempts for row in hooks.deliveries(webhook)) == [0, 0, 1]
    found = hooks.row(webhook)
    assert found.failures == 1 and found.slow and found.try_after is not None


_CHILD = """
import sys
from pathlib import Path
from ingestion.webhooks.deliver import take_turn
from vouch.catalog.database import Catalog
from vouch.core.settings import Settings
from vouch.outbound.door import Outbound
url, folder, webhook = sys.argv[1:]
settings = Settings(data_dir=Path(folder), outbound_allow="127.0.0.1")
take_turn(Catalog(url), settings, Outbound.of(settings), ("acme", webhook))
"""


def test_a_worker_that_is_killed_before_it_could_note_the_answer(hooks: Hooks, receiver: Receiver) -> None:
    """The call arrives a second time, under the same id, once the lease has expired and not before."""
    webhook = hooks.webhook()
    hooks.ended(hooks.job())
    child: list[subprocess.Popen[bytes]] = []

    def kill(_: object) -> None:
        receiver.on_call = lambda heard: None
        os.kill(child[0].pid, signal.SIGKILL)
        child[0].wait()

    receiver.on_call = kill
    command = [sys.executable, "-c", _CHILD, hooks.catalog.url, str(hooks.settings.data_dir), webhook]
    child.append(subprocess.Popen(command, cwd=Path(__file__).parents[2]))
    assert child[0].wait(timeout=120) == -signal.SIGKILL
    (row,) = hooks.deliveries(webhook)
    assert row.state == "sending"
    assert hooks.turn(webhook) == 0  # it might live
    assert hooks.turn(webhook, after_s=LEASE_S + 1) == 1
    (row,) = hooks.deliveries(webhook)
    assert (row.state, row.attempts) == ("delivered", 2)
    assert [one.headers["webhook-id"] for one in hooks.heard] == [row.id, row.id]


# --- side by side ---------------------------------------------------------------------------------------------------


def test_a_webhook_that_is_deleted_is_called_no_more(hooks: Hooks, receiver: Receiver) -> None:
    """Also where that happens while it is being called: what it was owed besides goes with it."""
    webhook = hooks.webhook()
    hooks.ended(hooks.job(), hooks.job())

    def delete(_: object) -> None:
        with hooks.catalog.transaction("acme") as session:
            targets.delete(session, "acme", webhook)

    receiver.on_call = delete
    assert hooks.turn(webhook) == 1
    assert len(hooks.heard) == 1 and hooks.deliveries(webhook) == []
    with pytest.raises(NotFound):
        hooks.row(webhook)


def test_a_webhook_that_is_deleted_while_its_job_ends_does_not_keep_the_job_from_ending(hooks: Hooks) -> None:
    webhook, job = hooks.webhook(), hooks.job()
    with ThreadPoolExecutor(1) as pool:
        with hooks.catalog.transaction("acme") as session:
            targets.delete(session, "acme", webhook)
            ending = pool.submit(hooks.ended, job)
            while not hooks.waits_for_a_lock():
                assert not ending.done(), "it did not look whether the webhook stays"
        ending.result(timeout=60)
    with hooks.catalog.reading("acme") as session:
        assert find_job(session, "acme", job).state == "succeeded"


def test_one_call_of_a_webhook_is_made_at_a_time(hooks: Hooks, receiver: Receiver) -> None:
    webhook, claimed = hooks.webhook(), []
    hooks.ended(hooks.job(), hooks.job())

    def look(_: object) -> None:
        with hooks.catalog.transaction("acme") as session:
            claimed.append(queue.claim(session, "acme", webhook))

    receiver.on_call = look
    assert hooks.turn(webhook) == 2
    assert claimed == [None, None]


def test_a_receiver_that_does_not_answer_holds_up_nobody_elses(hooks: Hooks, receiver: Receiver) -> None:
    slow, quick = hooks.webhook(url=f"{hooks.url}/slow"), hooks.webhook("umbrella", url=f"{hooks.url}/quick")
    hooks.ended(hooks.job(), hooks.job(tenant="umbrella"))
    reached, order = Moment(), []

    def wait(heard: object) -> None:
        path = getattr(heard, "path", "")
        if path.endswith("slow"):
            assert reached.wait(60), "the other one was never called"
        order.append(path)
        reached.set()

    receiver.on_call = wait
    deliver_batch(hooks.catalog, hooks.settings, [("acme", slow), ("umbrella", quick)])
    assert order == ["/hook/quick", "/hook/slow"]
    for tenant, one, path in (("acme", slow, "/hook/slow"), ("umbrella", quick, "/hook/quick")):
        (row,) = hooks.deliveries(one, tenant)
        (heard,) = [heard for heard in hooks.heard if heard.path == path]
        assert row.state == "delivered" and verified([hooks.secrets[one]], heard)["data"]["job_id"]


def test_who_is_slow_waits_for_who_is_slow(hooks: Hooks, receiver: Receiver) -> None:
    """A batch of each kind is under way at a time; until its turn is over none of its kind is rung for."""
    failing, well = hooks.webhook(), hooks.webhook("umbrella")
    receiver.replies = [Reply(500)]
    hooks.ended(hooks.job())
    hooks.turn(failing)
    hooks.ended(hooks.job(tenant="umbrella"))
    now = clock.now() + timedelta(seconds=30)

    def due(after_s: float = 0) -> list[list[tuple[str, str]]]:
        with clock.frozen(now + timedelta(seconds=after_s)), hooks.catalog.transaction(ACROSS_TENANTS) as session:
            return queue.due(session)

    assert due() == [[("umbrella", well)], [("acme", failing)]]
    assert due() == []
    late = hooks.webhook()
    hooks.ended(hooks.job())
    assert due() == []
    hooks.turn(well, "umbrella", at=now)
    assert due() == [[("acme", late)]]
    assert due(RING_AGAIN_S + 1) == [[("acme", late)], [("acme", failing)]]  # nobody had heard


def test_what_is_old_is_forgotten(hooks: Hooks) -> None:
    webhook = hooks.webhook()
    hooks.ended(hooks.job())
    hooks.turn(webhook)
    for after, left in ((KEEP - timedelta(hours=1), 1), (KEEP + timedelta(hours=1), 0)):
        with clock.frozen(clock.now() + after), hooks.catalog.transaction(ACROSS_TENANTS) as session:
            queue.forget_old(session)
        assert len(hooks.deliveries(webhook)) == left


# --- secrets --------------------------------------------------------------------------------------------------------


def test_a_secret_is_kept_sealed_and_carried_to_a_new_key(hooks: Hooks) -> None:
    webhook = hooks.webhook()
    assert hooks.secrets[webhook].startswith("whsec_")
    assert hooks.secrets[webhook].removeprefix("whsec_") not in hooks.whole_database()
    before = hooks.row(webhook).secret
    assert rotate(hooks.catalog, hooks.settings).webhooks == 1
    assert hooks.row(webhook).secret["key"] != before["key"]
    hooks.ended(hooks.job())
    hooks.turn(webhook)
    assert len(hooks.told(webhook)) == 1


def test_the_guide_tells_a_call_from_a_forged_one(hooks: Hooks) -> None:
    (example,) = [one for one in examples("python") if one.about == "verify.py"]
    names: dict[str, Any] = {}
    exec(example.text, names)
    webhook = hooks.webhook()
    hooks.ended(hooks.job())
    hooks.turn(webhook)
    (heard,), secret, verify = hooks.heard, hooks.secrets[webhook], names["verify"]
    assert verify(secret, heard.headers, heard.body)["type"] == "job.ended"
    late = {**heard.headers, "webhook-timestamp": str(int(heard.headers["webhook-timestamp"]) - 301)}
    long_ago = signed([secret], "x", int(late["webhook-timestamp"]), heard.body)
    for key, headers, body in (
        (new_secret(), heard.headers, heard.body),
        (secret, heard.headers, heard.body.replace(b"succeeded", b"failed")),
        (secret, {**heard.headers, "webhook-id": "another"}, heard.body),
        (secret, late, heard.body),
        (secret, long_ago, heard.body),
    ):
        with pytest.raises(ValueError, match=r"from Vouch|too old"):
            verify(key, headers, body)


def test_a_secret_that_was_replaced_signs_for_a_day(hooks: Hooks) -> None:
    webhook, now = hooks.webhook(), clock.now()
    with hooks.catalog.transaction("acme") as session:
        row = targets.find(session, "acme", webhook, lock=True)
        fresh = targets.renew_secret(session, hooks.settings, row)
    old = hooks.secrets[webhook]
    hooks.ended(hooks.job())
    hooks.turn(webhook, at=now, after_s=60)
    verified([fresh, old], hooks.heard[0])
    hooks.ended(hooks.job())
    hooks.turn(webhook, at=now + BOTH_FOR, after_s=60)
    verified([fresh], hooks.heard[1])


# --- where it may lead ----------------------------------------------------------------------------------------------


def test_no_hostile_address_becomes_a_webhook() -> None:
    """0 connections; what is a plain name is judged when it is called."""
    names = 0
    for url in CASES:
        with pytest.raises(OutboundRefused) as refused:
            permitted(url, World().door())
        assert refused.value.field == "url", ascii(url)
        world = World()
        try:
            found = permitted(url.replace("http://", "https://"), world.door())
        except OutboundRefused:
            pass
        else:
            names += 1
            world.names = {found.host: [["127.0.0.1"]]}
            with pytest.raises(OutboundRefused):
                world.door().request("POST", found, content=b"{}")
        assert world.attempts == [], ascii(url)
    assert names < 5


def test_a_name_that_leads_inside_is_not_called(hooks: Hooks) -> None:
    """However often it changes its mind after the webhook was made."""
    webhook = hooks.webhook(url="https://hooks.example.org/vouch")
    hooks.ended(hooks.job())
    (row,) = hooks.deliveries(webhook)
    for address in hostile.addresses():
        world = World({"hooks.example.org": [[address]]})
        with hooks.catalog.transaction("acme") as session:
            queue.again(session, "acme", webhook, row.id)
        assert deliver_next(hooks.catalog, hooks.settings, world.door(), ("acme", webhook))
        assert world.attempts == [] and world.asked == ["hooks.example.org"], address
        (row,) = hooks.deliveries(webhook)
        assert row.problem and row.problem["reason"] == "outbound_refused", address
    assert hooks.heard == []


def test_without_tls_only_who_the_operator_names_is_called(hooks: Hooks) -> None:
    for url in ("http://hooks.example.org/", f"http://{PUBLIC}/"):
        with pytest.raises(OutboundRefused, match="https"):
            permitted(url, Outbound())
    allowing = hooks.settings.model_copy(update={"outbound_allow": f"hooks.example.org, {PUBLIC}"})
    for url in ("http://hooks.example.org/", f"http://{PUBLIC}/", "https://www.example.org/x?y=z"):
        assert str(permitted(url, Outbound.of(allowing))) == url
    hooks.settings = allowing
    webhook, world = hooks.webhook(url=f"http://{PUBLIC}/"), World()
    hooks.ended(hooks.job())
    assert deliver_next(hooks.catalog, hooks.settings, world.door(), ("acme", webhook))  # it was allowed once
    (row,) = hooks.deliveries(webhook)
    assert row.problem and row.problem["reason"] == "outbound_refused" and world.attempts == []


def test_there_is_an_end_to_how_many_there_are(hooks: Hooks) -> None:
    for _ in range(MOST):
        hooks.webhook()
    with pytest.raises(Conflict):
        hooks.webhook()
    hooks.webhook("umbrella")
    with pytest.raises(NotFound):
        hooks.webhook("umbrella", sources=["other"])  # that is the other tenant's
