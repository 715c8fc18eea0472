"""What a document's state is: the rules one by one, and that Python and SQL say the same of any document."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.freshness import STATE
from vouch.core.freshness import GONE_AFTER_S, Facts, Standing, State, standing

DAY = 86_400
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
POLICY = Facts(NOW, review_every_s=10 * DAY, stale_after_s=20 * DAY, expire_after_s=30 * DAY)


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def state(facts: Facts) -> State:
    return standing(facts, NOW).state


@pytest.mark.parametrize(
    ("age", "expected"),
    [(0, "fresh"), (9.9, "fresh"), (10, "due"), (19.9, "due"), (20, "stale"), (29.9, "stale"), (30, "expired")],
)
def test_age_makes_due_then_stale_then_expired(age: float, expected: State) -> None:
    facts = replace(POLICY, modified_at=ago(age))
    assert standing(facts, NOW) == Standing(expected, ago(age - 10))


def test_a_review_is_what_age_counts_from() -> None:
    facts = replace(POLICY, modified_at=ago(100), reviewed_at=ago(5))
    assert standing(facts, NOW) == Standing("fresh", ago(-5))
    assert state(replace(facts, reviewed_at=ago(15))) == "due"
    assert state(replace(facts, modified_at=ago(2), reviewed_at=ago(25))) == "fresh"  # changed since


def test_verified_until_holds_until_then_and_is_due_after() -> None:
    facts = replace(POLICY, modified_at=ago(100), reviewed_at=ago(50), reviewed_until=ago(-1))
    assert standing(facts, NOW) == Standing("fresh", ago(-1))
    assert state(replace(facts, reviewed_until=NOW)) == "expired"
    assert state(replace(facts, reviewed_until=NOW, reviewed_at=ago(3))) == "due"


def test_a_source_is_gone_only_after_a_while_and_whatever_was_verified() -> None:
    gone = replace(POLICY, failing_since=NOW - timedelta(seconds=GONE_AFTER_S))
    assert state(gone) == "source_gone"
    assert state(replace(gone, failing_since=NOW - timedelta(seconds=GONE_AFTER_S - 1))) == "fresh"
    assert state(replace(gone, reviewed_at=NOW, reviewed_until=ago(-9))) == "source_gone"
    assert state(replace(gone, modified_at=ago(25))) == "source_gone"
    assert state(replace(gone, modified_at=ago(30))) == "expired"


def test_ownerless_is_said_of_what_is_otherwise_fresh_and_superseded_of_anything() -> None:
    assert state(replace(POLICY, owned=False)) == "ownerless"
    assert state(replace(POLICY, owned=False, modified_at=ago(10))) == "due"
    assert state(replace(POLICY, superseded=True, modified_at=ago(99))) == "superseded"


def test_without_a_moment_to_count_from_and_beyond_the_calendar_nothing_ages() -> None:
    assert standing(replace(POLICY, modified_at=None), NOW) == Standing("fresh", None)
    assert standing(replace(POLICY, modified_at=datetime.max.replace(tzinfo=UTC)), NOW) == Standing("fresh", None)


# Moments lie an age away from now, or a second beside it, so that they meet the edges of the rules.
AGES = (1, DAY, 10 * DAY, 20 * DAY)
MOMENTS = st.none() | st.one_of(
    st.tuples(st.sampled_from((-1, 1)), st.sampled_from((0, *AGES)), st.integers(-1, 1)).map(
        lambda t: NOW + timedelta(seconds=t[0] * t[1] + t[2])
    ),
    st.sampled_from((datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC))),
)
SECONDS = st.none() | st.sampled_from(AGES)
FACTS = st.builds(
    Facts,
    modified_at=MOMENTS,
    review_every_s=SECONDS,
    stale_after_s=SECONDS,
    expire_after_s=SECONDS,
    reviewed_at=MOMENTS,
    reviewed_until=MOMENTS,
    failing_since=MOMENTS,
    superseded=st.sampled_from((False, False, False, True)),
    owned=st.booleans(),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(FACTS, min_size=20, max_size=100))
def test_python_and_sql_say_the_same(catalog: Catalog, generated: list[Facts]) -> None:
    kinds = {"modified_at": "timestamptz", "reviewed_at": "timestamptz", "reviewed_until": "timestamptz",
             "failing_since": "timestamptz", "superseded": "bool", "owned": "bool"}  # fmt: skip
    names = [field.name for field in fields(Facts)]
    columns = ", ".join(f"CAST(:{name} AS {kinds.get(name, 'int')}[])" for name in names)
    query = f"SELECT {STATE} FROM unnest({columns}) WITH ORDINALITY AS f({', '.join(names)}, n) ORDER BY n"
    values = {name: [getattr(facts, name) for facts in generated] for name in names}
    with catalog.reading(ACROSS_TENANTS) as session:
        found = session.execute(sa.text(query), {**values, "now": NOW}).scalars().all()
    assert list(found) == [state(facts) for facts in generated]
