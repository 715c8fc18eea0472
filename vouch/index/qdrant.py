"""The index on a Qdrant server: one collection, ``vouch-<generation>``, per generation.

Which generation is current is the catalog's to say, so there is no alias that could disagree with it.

The number applied is kept as a point of the collection itself, so that a snapshot or a restored backup of it always
carries the number that belongs to its points. That point has no tenant and no vectors: no filter admits it.
The server compacts by itself.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import ParamSpec, TypeVar

from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from vouch.core.errors import IndexUnavailable
from vouch.core.types import AccessFilter, IndexHit, IndexHits, IndexQuery, Json, SearchFilter
from vouch.index import plan
from vouch.index.batches import batches
from vouch.index.filters import narrowed, targets, visible
from vouch.index.payload import DENSE, DENY, HIT_FIELDS, INTEGERS, KEYWORDS, LEXICAL, SLOTS, access_payload, checked
from vouch.index.protocol import IndexOp, IndexState, SetAccess, StoredPoint, UpsertPoints, generation_name
from vouch.index.qdrant_model import (
    dense_config,
    hit_of,
    keyword_index,
    search_params,
    server_filter,
    server_point,
    sparse,
    sparse_config,
    stored_of,
)
from vouch.index.settle import best

BATCH = 256
TIMEOUT_S = 30
MINIMUM = (1, 19)
"""The first server that computes IDF over a filter: an older one would ignore the wish, and hidden documents show."""
MARK = "00000000-0000-0000-0000-000000000000"
"""Id of the point that carries the number applied."""
STRICT = models.StrictModeConfig(enabled=True, unindexed_filtering_retrieve=False, unindexed_filtering_update=False)
_WITHOUT_MARK = models.Filter(must_not=[models.HasIdCondition(has_id=[MARK])])
_PLAIN_PLAN: Json = {"backend": "qdrant", "lexical": {"mode": "exact", "idf": "visible"}}

P = ParamSpec("P")
T = TypeVar("T")


def connect(url: str, api_key: str | None) -> QdrantClient:
    """A client of a server that can keep hidden documents out of the statistics. Raises :class:`IndexUnavailable`."""
    client = QdrantClient(url=url, api_key=api_key, timeout=TIMEOUT_S, check_compatibility=False)
    version = _call(client.info).version
    numbers = tuple(int(n) for n in re.findall(r"\d+", version)[:2])
    if numbers < MINIMUM:
        raise IndexUnavailable(f"Qdrant {version} is too old: {'.'.join(map(str, MINIMUM))} or later is needed")
    return client


class QdrantIndex:
    """Implements :class:`vouch.index.protocol.Index`. The collection is made when the first point arrives."""

    def __init__(self, client: QdrantClient, generation: str, *, choose: plan.Choose = plan.choose_by_fields) -> None:
        self._client = client
        self._choose = choose
        self._sample: plan.Sample[models.HasIdCondition] | None = None
        self._generation = generation_name(generation)
        self._collection = f"vouch-{generation}"
        self._dimensions: int | None = None
        self._prepared = False

    def close(self) -> None:
        self._client.close()

    # --- the protocol ---------------------------------------------------------------------------

    def state(self) -> IndexState:
        if not _call(self._client.collection_exists, self._collection):
            return IndexState(self._generation, 0, 0)
        marks = _call(self._client.retrieve, self._collection, ids=[MARK], with_payload=True)
        applied = int((marks[0].payload or {})["applied_seq"]) if marks else 0
        return IndexState(self._generation, self._count(_WITHOUT_MARK), applied)

    def apply(self, ops: Sequence[IndexOp], *, upto: int) -> None:
        self._prepare()
        for op in batches(ops, BATCH):
            self._write(op)
        mark = models.PointStruct(id=MARK, vector={}, payload={"applied_seq": upto})
        _call(self._client.upsert, self._collection, points=[mark], wait=True)

    def search(self, query: IndexQuery, access: AccessFilter) -> IndexHits:
        seen = visible(access)
        if seen is None or not self._has_points():
            return IndexHits((), (), {**_PLAIN_PLAN, "dense": plan.EXACT.json()})
        wanted = server_filter(narrowed(seen, query.where))
        dense_plan = plan.EXACT if query.dense is None else self._plan(wanted)
        requests: dict[str, models.QueryRequest] = {}
        if query.dense is not None:
            requests[DENSE] = _request(query.dense.tolist(), DENSE, query.limit, wanted, search_params(dense_plan))
        if query.lexical:
            idf = models.SearchParams(idf=models.IdfCorpusParams(corpus=server_filter(seen)))
            requests[LEXICAL] = _request(sparse(query.lexical), LEXICAL, query.limit, wanted, idf)
        found = self._ranked(requests, query.limit)
        if DENSE in found and plan.fell_short(dense_plan, len(found[DENSE]), query.limit):
            dense_plan = plan.EXACT
            exactly = requests[DENSE].model_copy(update={"params": search_params(dense_plan)})
            found |= self._ranked({DENSE: exactly}, query.limit)
        return IndexHits(found.get(DENSE, ()), found.get(LEXICAL, ()), {**_PLAIN_PLAN, "dense": dense_plan.json()})

    def count(self, access: AccessFilter, where: SearchFilter) -> int:
        seen = visible(access)
        if seen is None or not self._has_points():
            return 0
        return self._count(server_filter(narrowed(seen, where)))

    def scan(self, *, batch: int = 1000) -> Iterator[list[StoredPoint]]:
        offset: models.ExtendedPointId | None = None
        while self._has_points():
            records, offset = _call(
                self._client.scroll,
                self._collection,
                scroll_filter=_WITHOUT_MARK,
                limit=batch,
                offset=offset,
                with_payload=True,
                with_vectors=True,
            )
            if records:
                yield [stored_of(record) for record in records]
            if offset is None:
                return

    def maintain(self) -> bool:
        """Nothing: the server's optimizers run by themselves, and say so to their own operators."""
        return False

    def drop(self) -> bool:
        """Remove the generation; False when there was none."""
        self._dimensions, self._prepared = None, False
        return bool(_call(self._client.delete_collection, self._collection))

    # --- the server -----------------------------------------------------------------------------

    def _prepare(self) -> None:
        """The collection and its payload indexes, before any data. The length of its vectors is not known yet."""
        if self._prepared:
            return
        if not _call(self._client.collection_exists, self._collection):
            try:
                _call(
                    self._client.create_collection,
                    self._collection,
                    vectors_config={},
                    sparse_vectors_config=sparse_config(),
                    strict_mode_config=STRICT,
                )
            except IndexUnavailable:  # another projector may have made it in between
                if not _call(self._client.collection_exists, self._collection):
                    raise
        for field in (*KEYWORDS, *SLOTS, DENY):
            _call(self._client.create_payload_index, self._collection, field, keyword_index(field), wait=True)
        for field in INTEGERS:
            _call(
                self._client.create_payload_index,
                self._collection,
                field,
                models.PayloadSchemaType.INTEGER,
                wait=True,
            )
        self._prepared = True

    def _has_points(self) -> bool:
        """Whether vectors have ever been written: only then can they be searched."""
        return self._length() is not None

    def _length(self) -> int | None:
        """Of the dense vectors, as the collection says; asked until there is an answer, which never changes."""
        if self._dimensions is None and _call(self._client.collection_exists, self._collection):
            vectors = _call(self._client.get_collection, self._collection).config.params.vectors
            dense = vectors.get(DENSE) if isinstance(vectors, dict) else None
            self._dimensions = None if dense is None else dense.size
        return self._dimensions

    def _write(self, op: IndexOp) -> None:
        if isinstance(op, UpsertPoints):
            length = self._length()
            points = [server_point(checked(point, length or op.points[0].dense.size)) for point in op.points]
            if length is None:
                dense = dense_config(op.points[0].dense.size)
                _call(self._client.create_vector_name, self._collection, DENSE, dense)
            _call(self._client.upsert, self._collection, points=points, wait=True)
            return
        conditions = targets(op)
        if isinstance(op, SetAccess):
            payload = access_payload(op.access)
            if conditions is not None:
                _call(self._client.set_payload, self._collection, payload, server_filter(conditions), wait=True)
        elif conditions is not None:
            selector = models.FilterSelector(filter=server_filter(conditions))
            _call(self._client.delete, self._collection, selector, wait=True)

    def _count(self, wanted: models.Filter, *, exact: bool = True) -> int:
        return int(_call(self._client.count, self._collection, count_filter=wanted, exact=exact).count)

    def _ranked(self, requests: dict[str, models.QueryRequest], limit: int) -> dict[str, tuple[IndexHit, ...]]:
        """Every arm's best hits, in one round trip as a rule."""

        def fetch(arms: Collection[str], some: int) -> dict[str, list[IndexHit]]:
            wider = {arm: requests[arm].model_copy(update={"limit": some}) for arm in arms}
            answers = _call(self._client.query_batch_points, self._collection, requests=list(wider.values()))
            return {arm: [*map(hit_of, answer.points)] for arm, answer in zip(wider, answers, strict=True)}

        return best(fetch, requests, limit)

    def _plan(self, wanted: models.Filter) -> plan.DensePlan:
        points = self._count(models.Filter(), exact=False)
        return self._choose(points, lambda: self._visible(points, wanted))

    def _visible(self, points: int, wanted: models.Filter) -> int:
        """About how many of ``points`` are ``wanted``: from a sample, for the reason that the embedded index has."""
        now = time.monotonic()
        if self._sample is None or not self._sample.serves(points, now):
            random = models.SampleQuery(sample=models.Sample.RANDOM)
            drawn = _call(self._client.query_points, self._collection, query=random, limit=plan.SAMPLE_POINTS).points
            ids = [point.id for point in drawn]
            self._sample = plan.Sample(models.HasIdCondition(has_id=ids), len(ids), points, now)
        return self._sample.visible(points, self._count(models.Filter(must=[wanted, self._sample.condition])))


def _request(
    query: list[float] | models.SparseVector,
    using: str,
    limit: int,
    wanted: models.Filter,
    params: models.SearchParams,
) -> models.QueryRequest:
    return models.QueryRequest(
        query=query, using=using, limit=limit, filter=wanted, params=params, with_payload=list(HIT_FIELDS)
    )


def _call(method: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """The client's answer; whatever keeps it from answering becomes :class:`IndexUnavailable`."""
    try:
        return method(*args, **kwargs)
    except UnexpectedResponse as error:
        raise IndexUnavailable(f"Qdrant refused a request (status {error.status_code})") from error
    except (ApiException, OSError) as error:
        raise IndexUnavailable("Qdrant does not answer") from error
