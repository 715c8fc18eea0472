"""Encoding and decoding, without a socket."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.index.world import ALICE, EVERYONE, point, unit
from vouch.core.types import IndexHit, IndexHits, IndexQuery, SearchFilter, SparseVector
from vouch.index import wire
from vouch.index.protocol import RemoveVersions, SetAccess, UpsertPoints


def test_a_search_arrives_as_it_was_sent() -> None:
    where = SearchFilter(source=("a",), modified_after=datetime(2026, 3, 1, tzinfo=UTC))
    sent = wire.Search("g1", IndexQuery(unit(1), SparseVector((1, 4_000_000_000), (0.5, 1.0)), 7, where), ALICE)
    got = wire.request_of(wire.frame(sent)[wire.HEADER.size :])
    assert isinstance(got, wire.Search)
    assert got.query.dense is not None
    assert got.query.dense.dtype == np.float32
    np.testing.assert_array_equal(got.query.dense, unit(1))
    assert (got.query.lexical, got.query.limit, got.query.where) == (sent.query.lexical, 7, where)
    assert got.access == ALICE


def test_every_operation_arrives_as_it_was_sent() -> None:
    sent = point("a", "some words")
    ops = (UpsertPoints((sent,)), SetAccess("acme", ("a",), EVERYONE), RemoveVersions("acme", "a", (1, 2)))
    message = wire.Apply("g1", tuple(wire.Op.of(op) for op in ops), 12, last=False)
    got = wire.request_of(wire.frame(message)[wire.HEADER.size :])
    assert isinstance(got, wire.Apply)
    assert (got.upto, got.last) == (12, False)
    upsert, access, removal = (op.op() for op in got.ops)
    assert (access, removal) == ops[1:]
    assert isinstance(upsert, UpsertPoints)
    np.testing.assert_array_equal(upsert.points[0].dense, sent.dense)
    assert upsert.points[0].lexical == sent.lexical


def test_hits_arrive_as_they_were_sent() -> None:
    hits = IndexHits((IndexHit("a", 1, 2, 0.25),), (), {"dense": {"mode": "exact"}})
    assert wire.reply_of(wire.frame(wire.Found(hits))[wire.HEADER.size :]) == wire.Found(hits)


def test_an_operation_is_exactly_one() -> None:
    for op in (wire.Op(), wire.Op(access=SetAccess("t", ("a",), EVERYONE), remove=RemoveVersions("t", "a"))):
        with pytest.raises(wire.Malformed):
            op.op()


@given(st.binary(max_size=200))
def test_noise_is_malformed_and_nothing_else(noise: bytes) -> None:
    for decode in (wire.request_of, wire.reply_of):
        try:
            decode(noise)
        except wire.Malformed:
            continue
    if len(noise) >= wire.HEADER.size and not noise.startswith(wire.MAGIC):
        with pytest.raises(wire.Malformed):
            wire.body_length(noise[: wire.HEADER.size])


@given(st.data())
def test_a_damaged_message_is_malformed_or_another_message(data: st.DataObject) -> None:
    body = bytearray(wire.frame(wire.Search("g1", IndexQuery(unit(1), None, 7), ALICE))[wire.HEADER.size :])
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert isinstance(wire.request_of(body), wire.Request)
    except wire.Malformed as error:
        assert str(error)
