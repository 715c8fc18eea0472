"""Documents that are alike: found once, true at every moment, and told to who may read both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import sqlalchemy as sa

from acl import directory
from ingestion.delete import delete_documents
from ingestion.services import Services
from ingestion.twins import compare as comparing
from ingestion.twins import pairs, work
from ingestion.twins.work import compare_waiting, waits
from tests.retrieval.world import TENANT, World, open_world
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.tables import Document
from vouch.core.errors import Unavailable
from vouch.core.ids import sha256
from vouch.core.types import Json
from vouch.gateway.embed import Embedder

RULES = (
    "Travel at Acme is booked through the travel desk, which is open on every weekday of the year.\n\n"
    "Hotel costs are reimbursed up to {hotel} per night, breakfast included.\n\n"
    "Trains are preferred over flights for all journeys under five hours, and seats may be reserved.\n\n"
    "Whoever travels hands in receipts within {days} after coming home, together with a short note."
)
OTHER = (
    "The kitchen on the third floor is shared with our neighbours, who clean it on Tuesdays and Fridays.\n\n"
    "Cups go into the machine, and whoever finds it full switches it on and empties it afterwards.\n\n"
    "Milk is bought by the front desk; whoever opens the last bottle tells them so that there is some left."
)
A, B = RULES.format(hotel="165 euros", days="30 days"), RULES.format(hotel="150 euros", days="one month")
OLD, NEW = datetime(2023, 1, 9, tzinfo=UTC), datetime(2026, 1, 12, tzinfo=UTC)


@pytest.fixture
def world(catalog: Catalog, embedder: Embedder, tmp_path: Path) -> Iterator[World]:
    yield from open_world(catalog, embedder, tmp_path)


def services(world: World) -> Services:
    """As much of a worker as comparing takes."""
    return cast(Services, SimpleNamespace(catalog=world.catalog, blobs=world.services.blobs))


def compared(world: World) -> None:
    assert not compare_waiting(services(world), enough_s=60)
    with world.catalog.reading(ACROSS_TENANTS) as session:
        assert not waits(session)


def similar(world: World, user: str, document: str, **query: object) -> Json:
    response = world.client.get(
        f"/v1/documents/{document}/similar",
        params=query,
        headers=world.headers(user),  # type: ignore[arg-type]
    )
    assert response.status_code == 200, response.text
    found: Json = response.json()
    return found


def alike(world: World, user: str, document: str) -> dict[str, str]:
    found = similar(world, user, document)
    assert found["in_all"] == len(found["similar"])
    return {one["document_id"]: one["relation"] for one in found["similar"]}


def count(world: World, table: str) -> int:
    with world.catalog.reading(ACROSS_TENANTS) as session:
        return int(session.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one())


def delete(world: World, *documents: str) -> None:
    with world.catalog.transaction(ACROSS_TENANTS) as session:
        names = [session.get_one(Document, (TENANT, id_)).external_id for id_ in documents]
        delete_documents(session, TENANT, "docs", names, "test")


def test_a_pair_is_shown_from_both_sides_with_what_contradicts(world: World) -> None:
    a = world.document("Travel 2026", A, modified_at=NEW, project=False)
    b = world.document("Travel 2023", B, modified_at=OLD, project=False)
    c = world.document("Copy", A, project=False)
    world.document("Kitchen", OTHER, project=False)
    compared(world)
    assert alike(world, "bob", a) == {b: "version", c: "identical"}
    assert alike(world, "bob", b) == {a: "version", c: "near"}
    from_a, from_b = (similar(world, "bob", id_)["similar"][0] for id_ in (a, b))
    assert (from_a["newer"], from_b["newer"]) == ("this", "other")
    assert 0.7 <= from_a["similarity"] <= from_a["containment"] < 1
    (conflict,) = from_a["conflicts"]
    assert (conflict["kind"], conflict["ours"]["said"], conflict["theirs"]["said"]) == (
        "amount",
        "165 euros",
        "150 euros",
    )
    for side, text, document in ((conflict["ours"], A, a), (conflict["theirs"], B, b)):
        assert side["document_id"] == document and side["version"] == 1
        assert text[side["span"]["start"] : side["span"]["end"]] == side["quote"]
        assert text[side["figure"]["start"] : side["figure"]["end"]] == side["said"]
    assert from_b["conflicts"][0] == {"kind": "amount", "ours": conflict["theirs"], "theirs": conflict["ours"]}


def test_it_is_hidden_with_the_very_next_request_from_who_may_not_read_one_side(world: World) -> None:
    a, b = world.document("A", A, project=False), world.document("B", B, project=False)
    compared(world)
    assert alike(world, "bob", a) == {b: "near"}
    world.readers(b, ("group:hr",), project=False)
    assert similar(world, "bob", a) == {**similar(world, "bob", a), "similar": [], "in_all": 0}
    assert alike(world, "alice", a) == {b: "near"}
    refused = world.get(f"/documents/{b}/similar", "bob")
    missing = world.get("/documents/0199c0de-7a51-7c3e-9a1b-2f6d5b0c9e11/similar", "bob")
    assert (refused.status_code, refused.json(), refused.headers) == (404, missing.json(), missing.headers)
    world.member("hr", add=["user:bob"])
    assert alike(world, "bob", a) == {b: "near"}
    with world.catalog.transaction(ACROSS_TENANTS) as session:
        directory.delete_group(session, TENANT, "group:hr", actor="test")
    assert alike(world, "bob", a) == alike(world, "alice", a) == {}


def test_what_is_hidden_changes_nothing_of_what_is_shown(world: World) -> None:
    """Not the order, not the pages, not the counts: with three hidden ones for every visible one."""
    a = world.document("A", A, project=False)
    shown = [world.document(f"B{n}", RULES.format(hotel=f"{n} euros", days="30 days"), project=False) for n in range(6)]
    compared(world)
    before = [similar(world, "bob", a, limit=2)]
    while before[-1]["next_cursor"]:
        before.append(similar(world, "bob", a, limit=2, cursor=before[-1]["next_cursor"]))
    assert {one["document_id"] for page in before for one in page["similar"]} == set(shown)
    for n in range(18):
        text = A if n % 3 == 0 else RULES.format(hotel=f"{n % 6} euros", days="30 days")
        world.document(f"H{n}", text, allow=("group:hr",), project=False)
    compared(world)
    after = [similar(world, "bob", a, limit=2)]
    while after[-1]["next_cursor"]:
        after.append(similar(world, "bob", a, limit=2, cursor=after[-1]["next_cursor"]))
    assert after == before
    assert similar(world, "alice", a)["in_all"] == 24


def test_deleting_one_side_ends_the_pair_and_forgets_its_quotes(world: World) -> None:
    a, b, c = (world.document(name, text, project=False) for name, text in (("A", A), ("B", B), ("C", B)))
    compared(world)
    assert count(world, "twin_conflict") == 1
    delete(world, b)
    assert alike(world, "bob", a) == {c: "near"}  # C says the same, so what was found of that text stays
    assert count(world, "twin_conflict") == 1
    delete(world, c)
    assert alike(world, "bob", a) == {}
    assert (count(world, "signature"), count(world, "twin"), count(world, "twin_conflict")) == (1, 0, 0)
    assert count(world, "signature_band") == 20
    delete(world, a)
    assert count(world, "signature") == count(world, "signature_band") == 0


def test_a_new_version_ends_a_conflict_at_once_and_begins_another(world: World) -> None:
    a, b = world.document("A", A, project=False), world.document("B", B, project=False)
    compared(world)
    world.publish(b, A, project=False)
    found = similar(world, "bob", b)
    assert (found["compared"], found["version"]) == (False, 2)
    assert alike(world, "bob", a) == {b: "identical"}  # the text is known, and the old one is shown by nobody
    compared(world)
    assert similar(world, "bob", b)["compared"]
    assert (count(world, "signature"), count(world, "twin")) == (1, 0)
    world.publish(b, A.replace("30 days", "14 days"), project=False)
    assert alike(world, "bob", a) == {}
    compared(world)
    (other,) = similar(world, "bob", a)["similar"]
    assert [(one["ours"]["said"], one["theirs"]["said"]) for one in other["conflicts"]] == [("30 days", "14 days")]


def test_nothing_is_lost_by_who_dies_on_the_way(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between publishing and comparing, and between any two steps of comparing."""
    a, b = world.document("A", OTHER, project=False), world.document("B", OTHER, project=False)
    compared(world)
    for document, text in ((a, A), (b, B)):
        world.publish(document, text, project=False)
    for module, step in (
        (comparing, "reader"),
        (pairs, "store"),
        (pairs, "sharing"),
        (pairs, "keep"),
        (comparing, "forget"),
    ):
        with monkeypatch.context() as broken:
            broken.setattr(module, step, _dies)
            broken.setattr(work, "reader", comparing.reader)
            with pytest.raises(_Killed):
                compare_waiting(services(world))
        with world.catalog.reading(ACROSS_TENANTS) as session:
            assert waits(session), step
    compared(world)
    assert alike(world, "bob", a) == {b: "near"}
    assert (count(world, "signature"), count(world, "twin"), count(world, "twin_conflict")) == (2, 1, 1)


class _Killed(BaseException):
    """What kills is not caught."""


def _dies(*_: object, **__: object) -> Any:
    raise _Killed


def test_two_that_come_at_the_same_moment_find_each_other(world: World) -> None:
    """Each is compared by a process of its own, up to the point where the other has signed: whoever signs last sees
    the first, and what both find is kept once."""
    a, b = world.document("A", A, project=False), world.document("B", B, project=False)
    here, read = services(world), comparing.reader(services(world), TENANT)
    sharing = pairs.sharing

    def meanwhile(*given: Any) -> Any:
        pairs.sharing = sharing
        assert comparing.compare(here, TENANT, b, read)
        return sharing(*given)

    pairs.sharing = meanwhile
    assert comparing.compare(here, TENANT, a, read)
    assert alike(world, "bob", a) == {b: "near"} and count(world, "twin") == 1


def test_a_document_that_goes_while_it_is_compared_leaves_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.document("A", A, project=False)
    compared(world)
    b = world.document("B", B, project=False)
    sharing = pairs.sharing

    def meanwhile(*given: Any) -> Any:
        found = sharing(*given)
        delete(world, b)
        return found

    monkeypatch.setattr(pairs, "sharing", meanwhile)
    compared(world)
    assert (count(world, "signature"), count(world, "twin")) == (1, 0)


def test_what_was_taken_in_before_is_compared_by_and_by(world: World) -> None:
    """A message does what it has time for; the next goes on from there, and the report says how much is left."""
    for n in range(5):
        world.document(f"D{n}", f"{A} {n}", project=False)
    left = []
    while compare_waiting(services(world), enough_s=0):
        left.append(count(world, "document WHERE compared_version IS NULL"))
    assert left == [4, 3, 2, 1, 0]
    assert len(alike(world, "bob", _id(world, "D0"))) == 4


def test_only_one_process_compares_at_a_time(world: World) -> None:
    world.document("A", A, project=False)
    with world.catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": work._LOCK})
        assert not compare_waiting(services(world))
        assert waits(session)


def test_a_short_text_and_one_that_cannot_be_read_have_none(world: World, caplog: pytest.LogCaptureFixture) -> None:
    short = world.document("Short", "Nothing to see here, come back later.", project=False)
    world.document("Short too", "Nothing to see here, come back later.", project=False)
    lost, kept = world.document("Lost", B, project=False), world.document("Kept", A, project=False)
    world.services.blobs.delete(TENANT, sha256(B.encode()))
    compared(world)
    assert alike(world, "bob", short) == alike(world, "bob", lost) == alike(world, "bob", kept) == {}
    assert f"document {lost} version 1 is not compared" in caplog.text
    with pytest.raises(Unavailable):
        world.services.blobs.get(TENANT, sha256(B.encode()))


def test_versions_are_found_by_their_name_though_much_was_rewritten(world: World) -> None:
    rewritten = A[: len(A) * 2 // 3] + OTHER[: len(OTHER) // 2]
    old, new = (
        world.document("Travel policy v1", A, project=False),
        world.document("Travel policy v2", rewritten, project=False),
    )
    other = world.document("Notes", rewritten.replace("Cups go", "Tea goes"), project=False)
    compared(world)
    assert alike(world, "bob", old) == {new: "version"}
    assert alike(world, "bob", new) == {old: "version", other: "near"}


def test_tenants_do_not_meet(world: World) -> None:
    """The same text in another tenant is none of ours, and PostgreSQL itself keeps it apart."""
    world.document("A", A, project=False)
    compared(world)
    with world.catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text("INSERT INTO tenant (id, name, authz_epoch) VALUES ('rival', 'Rival', 1)"))
        for table in ("signature", "signature_band"):
            columns = "shingles, minhash, paired" if table == "signature" else "hash"
            session.execute(
                sa.text(
                    f"INSERT INTO {table} (tenant_id, digest, {columns}) SELECT 'rival', digest, {columns} FROM {table}"
                )
            )
    b = world.document("B", B, project=False)
    compared(world)
    assert len(alike(world, "bob", b)) == 1
    with world.catalog.reading("rival") as session:
        assert session.execute(sa.text("SELECT count(*) FROM twin")).scalar() == 0
        assert session.execute(sa.text("SELECT count(*) FROM signature")).scalar() == 1


def test_a_flood_stays_bounded(world: World) -> None:
    """2,000 documents of one boilerplate, a hundred of them with a number of their own: that text is compared once, and
    the hundred keep a few pairs each, however many of them there are."""
    _flood(world, [A if n >= 100 else f"{A} Number {n} of the series was given out." for n in range(2_000)])
    reads: list[str] = []
    here = services(world)
    blobs = SimpleNamespace(get=lambda tenant, digest: (reads.append(digest), here.blobs.get(tenant, digest))[1])
    counting = cast(Services, SimpleNamespace(catalog=here.catalog, blobs=blobs))
    while compare_waiting(counting, enough_s=60):
        pass
    assert count(world, "signature") == 102
    assert 100 <= count(world, "twin") <= 102 * comparing.MOST_PAIRS
    assert len(reads) == 102
    found = similar(world, "bob", _id(world, "D1000"), limit=5)
    assert found["in_all"] >= 1_899 and len(found["similar"]) == 5
    assert {one["relation"] for one in found["similar"]} == {"identical"}


def _flood(world: World, texts: Sequence[str]) -> None:
    """Straight into the catalog: no chunks, nothing embedded."""
    first = world.document("D", OTHER, project=False)
    kept = {text: world.services.blobs.put(TENANT, text.encode()) for text in set(texts)}
    digests = [kept[text] for text in texts]
    with world.catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(
            sa.text(
                "INSERT INTO document (tenant_id, id, source_id, external_id, title, uri, mime,"
                " language, state, current_version, last_version, fingerprint, acl_id)"
                " SELECT :t, 'flood-' || n, 'docs', 'D' || n, 'D' || n, '', '', '', 'live', 1, 1, '', d.acl_id"
                " FROM document d, generate_series(0, :n) AS n WHERE d.id = :first"
            ),
            {"t": TENANT, "n": len(texts) - 1, "first": first},
        )
        session.execute(
            sa.text(
                "INSERT INTO document_version (tenant_id, document_id, version, raw, raw_bytes, text, chunks)"
                " SELECT :t, 'flood-' || (n - 1), 1, digest, 1, digest, 0"
                " FROM unnest(CAST(:digests AS text[])) WITH ORDINALITY AS x(digest, n)"
            ),
            {"t": TENANT, "digests": digests},
        )


def _id(world: World, title: str) -> str:
    with world.catalog.reading(ACROSS_TENANTS) as session:
        return str(
            session.execute(sa.text("SELECT id FROM document WHERE external_id = :x"), {"x": title}).scalar_one()
        )


def test_an_answer_says_so_where_another_document_says_otherwise(world: World) -> None:
    a = world.document("Travel", A, modified_at=NEW)
    b = world.document("Old travel", B, modified_at=OLD, allow=("group:hr",), project=False)
    compared(world)
    question = "Up to how much are hotel costs reimbursed per night?"
    answer = world.ask("alice", question)
    (notice,) = [one for one in answer["notices"] if one["kind"] == "conflict"]
    assert notice["document_ids"] == [a, b] and notice["citations"] == [1]
    assert "“165 euros”" in notice["text"] and "“150 euros”" in notice["text"] and "Old travel" in notice["text"]
    assert world.ask("bob", question)["notices"] == []
    assert world.get(f"/answers/{answer['answer_id']}", "alice").json()["notices"] == answer["notices"]
    assert world.ask("alice", "Whom is travel booked through?")["notices"] == []
    world.readers(b, (), project=False)
    assert world.get(f"/answers/{answer['answer_id']}", "alice").json()["notices"] == []
    assert world.ask("alice", question)["notices"] == []


def test_a_cursor_that_is_none_is_refused(world: World) -> None:
    a = world.document("A", A, project=False)
    for cursor in ("x", "W10", "WyJhIiwxLCJiIl0"):
        response = world.client.get(
            f"/v1/documents/{a}/similar", params={"cursor": cursor}, headers=world.headers("bob")
        )
        assert (response.status_code, response.json()["code"]) == (422, "invalid_input")
