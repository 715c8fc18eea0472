"""Documents go from fetch to vectors together, and none is the worse for its neighbours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import sqlalchemy as sa
from sqlmodel import Session

from ingestion import convoy, work
from ingestion.doorbell import ring
from ingestion.generations import prepare
from ingestion.services import Services
from ingestion.stages.step import Sized
from tests.ingestion.conftest import TENANT, Walk
from tests.ingestion.test_turns import ring_for_scans
from tests.ingestion.wiki import Site, WikiConnector
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.ledger import Lease
from vouch.core.types import Matrix
from vouch.gateway.embed import Embedder

STAGES = ("fetch", "parse", "chunk")
PAGES = 6
MANY = 70
"""Of which a message takes less than half: what is left is not few."""
STATES = "SELECT string_agg(concat(name, ' ', state, ' ', n), ', ' ORDER BY name, state) FROM (SELECT name, state,"
STATES += " count(*) AS n FROM stage WHERE name <> 'scan' GROUP BY name, state) counted"


@pytest.fixture
def pages(walk: Walk, site: Site, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A wiki that was scanned; the ids of its documents' fetch stages. However busy the machine, they go together."""
    monkeypatch.setattr(convoy, "SLICE_S", 3600)
    site.pages = {f"p{n}": f"Page {n} of the wiki says what the others do not." for n in range(PAGES)}
    return ring_for_scans(walk, walk.add_source("wiki", "wiki", issuer=None).name)


def _meddle(
    monkeypatch: pytest.MonkeyPatch, stage: str, before_writing: Callable[[Session, Sequence[Lease]], None]
) -> tuple[list[str], list[int]]:
    """Call ``before_writing`` before the stage writes. Returns the documents that were made, and how many were to be
    written each time."""
    step, made, sizes = convoy.STEP[stage], list[str](), list[int]()

    def make(services: Services, lease: Lease, found: object) -> Sized | None:
        made.append(lease.document_id)
        thing: Sized | None = step.make(services, lease, found)
        return thing

    def write(services: Services, session: Session, done: Sequence[tuple[Lease, Sized]]) -> list[Lease]:
        sizes.append(len(done))
        before_writing(session, [lease for lease, _ in done])
        following: list[Lease] = step.write(services, session, done)
        return following

    monkeypatch.setitem(convoy.STEP, stage, replace(step, make=make, write=write))
    return made, sizes


def _expire(walk: Walk) -> None:
    """As if the worker that holds leases had died, and every pause were over."""
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text("UPDATE stage SET leased_until = now() - interval '1 s' WHERE state = 'leased'"))
        session.execute(sa.text("UPDATE stage SET not_before = now() WHERE state = 'ready'"))


def _published(walk: Walk) -> object:
    return walk.scalar("SELECT count(*) FROM document WHERE state = 'live'")


def test_what_goes_together_is_written_together(walk: Walk, pages: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    told = {stage: _meddle(monkeypatch, stage, lambda session, leases: None) for stage in STAGES}
    work.run_stages(walk.services, pages)
    assert [sizes for _, sizes in told.values()] == [[PAGES]] * 3
    assert walk.scalar(STATES) == f"chunk done {PAGES}, embed ready {PAGES}, fetch done {PAGES}, parse done {PAGES}"
    walk.drain()
    assert _published(walk) == PAGES
    assert walk.verify().clean


@pytest.mark.parametrize("stage", STAGES)
def test_one_that_cannot_be_written_has_the_others_written_by_themselves_and_not_made_again(
    walk: Walk, pages: list[str], monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    cursed = walk.scalar("SELECT id FROM document WHERE external_id = 'p2'")

    def fails(session: Session, leases: Sequence[Lease]) -> None:
        if cursed in [lease.document_id for lease in leases]:
            session.execute(sa.text("SELECT 1 / 0"))

    made, sizes = _meddle(monkeypatch, stage, fails)
    work.run_stages(walk.services, pages)
    assert sizes == [PAGES, *[1] * PAGES]
    assert len(made) == len(set(made)) == PAGES
    assert walk.scalar("SELECT count(*) FROM stage WHERE name = 'embed' AND state = 'ready'") == PAGES - 1
    tried = "SELECT concat(name, ' ', state, ' ', attempts) FROM stage WHERE document_id = :d ORDER BY id DESC LIMIT 1"
    assert walk.scalar(tried, d=cursed) == f"{stage} ready 1"


def test_one_that_passed_to_another_worker_is_left_to_it(
    walk: Walk, pages: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = list[str]()

    def overtaken(session: Session, leases: Sequence[Lease]) -> None:
        if not lost:
            lost.append(leases[3].id)
            with walk.services.catalog.transaction(TENANT) as other:
                other.execute(sa.text("UPDATE stage SET fence = fence + 1 WHERE id = :i"), {"i": leases[3].id})

    _, sizes = _meddle(monkeypatch, "parse", overtaken)
    work.run_stages(walk.services, pages)
    assert sizes == [PAGES, *[1] * PAGES]
    assert walk.scalar("SELECT concat(state, problem) FROM stage WHERE id = :i", i=lost[0]) == "leased"
    assert walk.scalar("SELECT count(*) FROM stage WHERE name = 'embed'") == PAGES - 1


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("written", [False, True])
def test_a_worker_killed_between_two_documents_loses_none(
    walk: Walk, pages: list[str], monkeypatch: pytest.MonkeyPatch, stage: str, written: bool
) -> None:
    """Before the stage is written, and before that is committed."""
    step = convoy.STEP[stage]

    def killed(services: Services, session: Session, done: Sequence[tuple[Lease, Sized]]) -> list[Lease]:
        if written:
            step.write(services, session, done)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setitem(convoy.STEP, stage, replace(step, write=killed))
        with pytest.raises(KeyboardInterrupt):
            work.run_stages(walk.services, pages)
    assert walk.scalar(f"SELECT count(*) FROM stage WHERE name = '{stage}' AND state = 'leased'") == PAGES
    _expire(walk)
    walk.drain()
    assert _published(walk) == PAGES
    assert walk.scalar("SELECT count(*) - count(DISTINCT (document_id, ordinal)) FROM chunk") == 0
    assert walk.scalar(f"SELECT max(attempts) FROM stage WHERE name = '{stage}'") == 2
    assert walk.verify().clean


def test_what_is_made_does_not_pile_up(walk: Walk, pages: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    told = {stage: _meddle(monkeypatch, stage, lambda session, leases: None) for stage in STAGES}
    monkeypatch.setattr(convoy, "HELD_BYTES", 100)  # two pages as they were fetched, one and its structure
    work.run_stages(walk.services, pages)
    (_, fetched), (_, parsed), (_, cut) = told.values()
    assert fetched == [3, 3] and parsed == cut == [1] * PAGES


def test_long_documents_let_a_small_source_by_one_by_one(
    walk: Walk, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convoy, "SLICE_S", 0)
    site.pages = {f"p{n:02}": f"Page {n} of many." for n in range(70)}
    rung = ring_for_scans(walk, walk.add_source("wiki", "wiki", issuer=None).name)
    WikiConnector.sites["small"] = Site(pages={"only": "The boathouse opens at nine."})
    walk.add_source("small", "wiki", site="small", issuer=None)

    def comes_late(session: Session, leases: Sequence[Lease]) -> None:
        if len(sizes) == 1:
            ring_for_scans(walk, "small")

    made, sizes = _meddle(monkeypatch, "chunk", comes_late)
    work.take_turn(walk.services, "fetch", rung[: work.AT_A_TIME])
    assert made.index(str(walk.scalar("SELECT id FROM document WHERE title = 'only'"))) == 1


class _Watched:
    """An embedder that says what it is given."""

    def __init__(self, embedder: Embedder, heard: Callable[[Sequence[str]], None]) -> None:
        self.name, self.dimensions, self.max_tokens = embedder.name, embedder.dimensions, embedder.max_tokens
        self.count_tokens, self._embed, self._heard = embedder.count_tokens, embedder.embed, heard

    def embed(self, texts: Sequence[str]) -> Matrix:
        self._heard(texts)
        return self._embed(texts)


def _watch(walk: Walk, heard: Callable[[Sequence[str]], None]) -> None:
    walk.services.__dict__["embedder"] = _Watched(walk.services.embedder, heard)
    walk.services.__dict__.pop("_embedders")  # that of the generation is kept as it was when it cut


def _to_embed(walk: Walk, site: Site) -> list[str]:
    """A source of pages of a paragraph to three, cut and ready to be embedded; the stages' ids."""
    said = "Regular sentences about matter {n} of page {p} fill this part with words enough to stand alone. " * 8
    pages = {f"p{p:02}": "\n\n".join(said.format(n=n, p=p) for n in range(1 + p % 3)) for p in range(MANY)}
    site.pages = pages
    work.run_stages(walk.services, ring_for_scans(walk, walk.add_source("wiki", "wiki", issuer=None).name))
    with walk.services.catalog.reading(TENANT) as session:
        found = list(
            session.execute(sa.text("SELECT id FROM stage WHERE name = 'embed' AND state = 'ready'")).scalars()
        )
    assert len(found) == MANY
    return found


def test_a_small_source_is_let_by_in_the_midst_of_embedding(
    walk: Walk, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "SLICE", 10)
    heard = list[Sequence[str]]()
    ready = _to_embed(walk, site)
    WikiConnector.sites["small"] = Site(pages={"only": "The boathouse opens at nine."})
    walk.add_source("small", "wiki", site="small", issuer=None)

    def watch(texts: Sequence[str]) -> None:
        heard.append(texts)
        if len(heard) == 1:
            ring_for_scans(walk, "small")

    _watch(walk, watch)
    work.take_turn(walk.services, "embed", ready[:32])
    assert ["boathouse" in "".join(texts) for texts in heard[:3]] == [False, True, False]
    counted = walk.services.embedder.count_tokens
    slices = [sorted(counted(list(texts))) for texts in heard if "boathouse" not in "".join(texts)]
    assert max(map(len, slices)) == 10 and len(slices) > 3
    assert all(slices[n][0] >= slices[n + 1][-1] for n in range(len(slices) - 1)), "alike lengths together"
    assert walk.scalar("SELECT count(*) FROM stage WHERE name = 'embed' AND state = 'done'") == 33


def test_embedding_that_ends_early_keeps_what_it_did(walk: Walk, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "SLICE", 10)
    heard = list[str]()
    ready = _to_embed(walk, site)
    _watch(walk, heard.extend)
    ring(walk.services.bell, "scan", ["of another"])
    work.take_turn(walk.services, "embed", ready[:32])
    assert len(heard) == 10 and walk.scalar("SELECT count(*) FROM embedding") == 10
    untried = "name = 'embed' AND state = 'ready' AND attempts = 0 AND leased_until IS NULL"
    assert walk.scalar(f"SELECT count(*) FROM stage WHERE {untried}") == MANY
    walk.services.redis.delete("scan")
    walk.drain()
    assert len(heard) == len(set(heard)) == walk.scalar("SELECT count(*) FROM embedding"), "nothing is embedded twice"
    assert _published(walk) == MANY


def test_long_documents_are_not_all_embedded_together(walk: Walk, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has its vectors goes on to be published while the others wait for theirs."""
    embed, sizes = work.TOGETHER["embed"], list[int]()

    def watched(services: Services, leases: Sequence[Lease], ends: work.Ends) -> list[Lease] | None:
        sizes.append(len(leases))
        return embed(services, leases, ends)

    monkeypatch.setitem(work.TOGETHER, "embed", watched)
    monkeypatch.setattr(work, "CHUNKS", 12)
    work.take_turn(walk.services, "embed", _to_embed(walk, site)[:32])
    assert sum(sizes) == 32 and len(sizes) > 4
    most = "SELECT max(CAST(result ->> 'chunks' AS int)) FROM stage WHERE name = 'embed'"
    assert int(str(walk.scalar(most))) >= 2


def test_a_document_that_is_in_a_message_twice_is_done_twice(walk: Walk, pages: list[str]) -> None:
    """Two jobs name it: one of them fetches it, and the other finds it as it was, or makes a version of its own."""
    with walk.services.catalog.transaction(TENANT) as session:
        session.execute(sa.text("UPDATE job SET state = 'succeeded'"))  # a source has one sync at a time
        session.execute(sa.text("UPDATE document SET fingerprint = 'another'"))
    both = ring_for_scans(walk, "wiki")
    with walk.services.catalog.transaction(TENANT) as session:
        session.execute(sa.text("UPDATE job SET state = 'running', finished_at = NULL"))
    assert len(both) == 2 * PAGES
    walk.drain()
    assert _published(walk) == PAGES
    assert walk.verify().clean
