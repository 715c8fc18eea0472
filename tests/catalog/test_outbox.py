"""Sequence order is commit order, however transactions overlap."""

from __future__ import annotations

from threading import Thread

from vouch.catalog import outbox
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.tables import Tenant


def test_concurrent_writers_append_in_commit_order(catalog: Catalog) -> None:
    with catalog.transaction(ACROSS_TENANTS) as session:
        session.add(Tenant(id="t", name="T"))
    seen: list[int] = []

    def write(n: int) -> None:
        for _ in range(20):
            with catalog.transaction(ACROSS_TENANTS) as session:
                outbox.append(session, "t", "write", [f"d{n}"])

    threads = [Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads) or len(seen) < 80:
        with catalog.reading(ACROSS_TENANTS) as session:
            found = [row.seq for row in outbox.pending(session, seen[-1] if seen else 0, 1000)]
        seen.extend(seq for seq in found if seq is not None)
    for thread in threads:
        thread.join()
    # A reader that goes on from the last number it saw never misses one that commits later.
    assert len(seen) == len(set(seen)) == 80
    assert seen == sorted(seen)


def test_several_operations_have_their_numbers_in_the_order_in_which_they_were_given(catalog: Catalog) -> None:
    named = [(f"d{n % 7}-{n}", n) for n in range(50, 0, -1)]
    with catalog.transaction(ACROSS_TENANTS) as session:
        session.add(Tenant(id="t", name="T"))
        session.flush()
        first = outbox.append(session, "t", "remove", ["d"])
        numbers = outbox.append_all(session, "t", "write", named)
    with catalog.reading(ACROSS_TENANTS) as session:
        rows = outbox.pending(session, first, 100)
    assert [row.seq for row in rows] == numbers and len(numbers) == 50
    assert [(*row.document_ids, row.version) for row in rows] == named
