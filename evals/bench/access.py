"""What a decision costs, and the change of a whole folder's access: 100,000 documents, 1,000 groups nested six deep.

The catalog as it runs embedded, and the index's own engine in this process; nothing is embedded.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import sqlalchemy as sa
from pydantic import SecretStr

from acl import directory
from acl.assign import assign
from acl.compile import compile_filter, compile_payload
from acl.recheck import recheck
from acl.resolve import resolve
from evals.bench.report import Report
from ingestion import push
from ingestion.services import Services
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.migrate import migrate
from vouch.catalog.tables import IndexGeneration, Source, Tenant
from vouch.core.ids import point_id
from vouch.core.settings import Settings
from vouch.core.types import Clause, Point, SearchFilter
from vouch.embedded.platform import running_platform
from vouch.index.edge import EdgeIndex
from vouch.index.lexical import query_vector
from vouch.index.projector import Projector
from vouch.index.protocol import UpsertPoints

SEED = 20261
TENANT, USER, FOLDER = "t", "user:u0", "handbook/"
DOCUMENTS, IN_FOLDER, CHUNKS = 100_000, 10_000, 3
GROUPS, LEVELS = 1_000, 6
CANDIDATES, DECISIONS, THREADS = 100, 500, 8
DIMENSIONS = 384

_PLAIN = sa.text("SELECT id, acl_id FROM document WHERE tenant_id = :t AND id = ANY(CAST(:ids AS text[]))")
_DOCUMENTS = sa.text(
    """
    INSERT INTO document (tenant_id, id, source_id, external_id, title, uri, mime, language, state, fingerprint,
        last_version, current_version)
    SELECT :t, 'd' || n, 's', CASE WHEN n <= :folder THEN :prefix ELSE 'other/' END || n, '', '', 'text/plain', 'en',
        'live', '', 1, 1
    FROM generate_series(1, :n) n
    """
)


def options(parser: argparse.ArgumentParser) -> None:
    """None: the sizes are those that the figures are promised for."""


def measure(arguments: argparse.Namespace, report: Report) -> None:
    """Lay the world out, decide, and change a folder three times."""
    print(f"seed {SEED}")
    rng = random.Random(SEED)  # noqa: S311 - a made-up company  # noqa: S311 - no secret
    with tempfile.TemporaryDirectory() as folder, _services(Path(folder)) as services:
        source = _world(services, rng)
        with closing(EdgeIndex(Path(folder) / "index", "g1")) as index:
            _decisions(services, rng, report)
            _folder(services, source, index, report)


@contextmanager
def _services(folder: Path) -> Iterator[Services]:
    settings = Settings(data_dir=folder / "data", secret_key=SecretStr("of the bench, and long enough for one"))
    with running_platform(settings) as running:
        services = Services.open(running.settings)
        migrate(services.catalog)
        yield services
        services.catalog.close()


def _world(services: Services, rng: random.Random) -> Source:
    """Groups in levels, each in two of the next; a user in ten of the first; documents of one to four clauses."""
    levels = [[f"group:l{level}-{n}" for n in range(GROUPS // LEVELS)] for level in range(LEVELS)]
    source = Source(tenant_id=TENANT, id="s", name="s", kind="push")
    with services.catalog.transaction(ACROSS_TENANTS) as session:
        session.add_all((Tenant(id=TENANT, name="T"), IndexGeneration(id="g1", model="-", dimensions=1, chunker="-")))
        session.flush()
        session.add(source)
        directory.put_user(session, TENANT, USER, name="U", actor="bench")
        members: dict[str, set[str]] = {group: set() for level in levels for group in level}
        for below, above in pairwise(levels):
            for group in below:
                for parent in rng.sample(above, 2):
                    members[parent].add(group)
        for group in rng.sample(levels[0], 10):
            members[group].add(USER)
        for group, inside in members.items():
            directory.put_group(session, TENANT, group, name=group, members=sorted(inside), actor="bench")
        session.flush()
        session.execute(_DOCUMENTS, {"t": TENANT, "n": DOCUMENTS, "folder": IN_FOLDER, "prefix": FOLDER})
        groups = list(members)
        acls = [
            tuple(
                Clause.of(rng.sample(groups, rng.randint(1, 12)), rng.sample(groups, rng.randint(0, 2)))
                for _ in range(rng.randint(1, 4))
            )
            for _ in range(1_000)
        ]
        assign(session, TENANT, {f"d{n}": rng.choice(acls) for n in range(1, DOCUMENTS + 1)}, actor="bench")
    return source


def _decisions(services: Services, rng: random.Random, report: Report) -> None:
    """Gate 2 over candidates, the closure resolved anew each time, as every request does. Its references, measured in
    turn with it: the closure alone, and one plain reading of the same rows."""
    with services.catalog.reading(TENANT) as session:
        access = resolve(session, TENANT, USER)
    batches = [[f"d{rng.randint(1, DOCUMENTS)}" for _ in range(CANDIDATES)] for _ in range(DECISIONS)]
    took = _Took()

    def decide(ids: list[str]) -> int:
        with took.measured("plain"), services.catalog.reading(TENANT) as session:
            session.execute(_PLAIN, {"t": TENANT, "ids": ids}).all()
        with took.measured("resolve"), services.catalog.reading(TENANT) as session:
            resolve(session, TENANT, USER)
        with took.measured("decide"), services.catalog.reading(TENANT) as session:
            return len(recheck(session, access, ids)[1])

    readable = sum(map(decide, batches))
    print(f"{len(access.principals)} principals; {readable / (DECISIONS * CANDIDATES):.1%} of the candidates readable")
    alone = took.p95("decide")
    report.add(f"decision for {CANDIDATES} candidates, p50", took.p50("decide"), "ms")
    report.add(f"decision for {CANDIDATES} candidates, p95", alone, "ms", at_most=10)
    report.add("of that, the closure alone, p95", took.p95("resolve"), "ms")
    report.add("decision ÷ plain reading of the rows, p50", took.p50("decide") / took.p50("plain"), "")
    took = _Took()
    with ThreadPoolExecutor(THREADS) as pool:
        if sum(pool.map(decide, batches)) != readable:
            raise SystemExit("deciding at once decides otherwise")
    report.add(f"decision with {THREADS} threads deciding at once, p95", took.p95("decide"), "ms")


class _Took:
    """Milliseconds by name; used by several threads."""

    def __init__(self) -> None:
        self._ms: dict[str, list[float]] = defaultdict(list)

    @contextmanager
    def measured(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self._ms[name].append((time.perf_counter() - began) * 1000)

    def p50(self, name: str) -> float:
        return float(np.percentile(self._ms[name], 50))

    def p95(self, name: str) -> float:
        return float(np.percentile(self._ms[name], 95))


def _folder(services: Services, source: Source, index: EdgeIndex, report: Report) -> None:
    projector = Projector(services.catalog, lambda _: index, compile_payload)
    projector.catch_up()
    _fill(index)
    with services.catalog.reading(TENANT) as session:
        asker = compile_filter(resolve(session, TENANT, USER))
    returned, followed = [], []
    for acl in ((Clause.of([USER]),), (Clause.of([USER], ["authenticated"]),), (Clause.of(["authenticated"]),)):
        began = time.perf_counter()
        push.set_access_under(services, source, FOLDER, acl, actor="bench")
        returned.append(time.perf_counter() - began)
        permits = not any(clause.deny for clause in acl)
        with services.catalog.reading(TENANT) as session:  # gate 2 knows at once
            decided = recheck(session, resolve(session, TENANT, USER), [f"d{n}" for n in range(1, IN_FOLDER + 1)])[1]
        if len(decided) != permits * IN_FOLDER:
            raise SystemExit("the change does not hold for the next request")
        projector.catch_up()
        followed.append(time.perf_counter() - began)
        if index.count(asker, SearchFilter()) != permits * IN_FOLDER * CHUNKS:
            raise SystemExit("the index does not follow the catalog")
    report.add(
        f"access of a folder with {IN_FOLDER:,} documents changed, slowest of three", max(returned), "s", at_most=1
    )
    report.add(f"the index follows, {IN_FOLDER * CHUNKS:,} chunks", max(followed), "s", at_most=60)


def _fill(index: EdgeIndex) -> None:
    """The folder's chunks, readable by nobody yet."""
    vectors = np.random.default_rng(SEED).standard_normal((500, DIMENSIONS)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    lexical = query_vector("folder of documents")
    reached, nobody = index.state().applied_seq, compile_payload(None)
    for start in range(1, IN_FOLDER + 1, 500):
        points = tuple(
            Point(
                id=point_id(TENANT, f"d{n}", 1, ordinal, "g1"), tenant=TENANT, document_id=f"d{n}", version=1,
                ordinal=ordinal, source_id="s", dense=vectors[(n * CHUNKS + ordinal) % len(vectors)], lexical=lexical,
                access=nobody, mime="text/plain", language="en", owner="", modified_at=0,
            )
            for n in range(start, start + 500) for ordinal in range(CHUNKS)
        )  # fmt: skip
        index.apply([UpsertPoints(points)], upto=reached)
