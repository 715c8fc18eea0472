"""Who may read a page of Confluence: as the site itself decides it, and nobody wherever that cannot be known."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from acl.groups import own_memberships
from acl.mapping import map_acl
from tests.connectors.api import as_json
from tests.connectors.confluence.cloud import AUTHORIZATION, Cloud, Subject, cloud, grant
from tests.connectors.seen import allowed, members, reason
from vouch.core.errors import BadConfig, SourceRefuses
from vouch.core.types import SourceAcl, Upsert

STAFF = "group:confluence/group.staff"
ACC_1, ACC_2 = "group:confluence/account.acc-1", "group:confluence/account.acc-2"


@pytest.fixture
def site() -> Iterator[Cloud]:
    with cloud() as made:
        yield made


def access(site: Cloud, **config: Any) -> dict[str, SourceAcl]:
    return {c.external_id: c.acl for c in site.connector(**config).scan(None) if isinstance(c, Upsert)}


def test_each_level_is_a_clause_from_the_space_down(site: Cloud) -> None:
    site.space("1", "HR", ("group", "staff"), ("user", "acc-2"))
    site.put("10", ("group", "managers"))
    site.put("11", parent=("page", "10"))
    site.put("12", ("user", "acc-1"), ("user", "acc-2"), ("group", "staff"), parent=("page", "11"))
    site.put("20", kind="blogpost")
    site.put("21", ("user", "acc-1"), kind="blogpost")
    site.attach("att1", "12", "a.txt", b"a")
    site.attach("att2", "21", "b.txt", b"b")
    found = {name: allowed(acl) for name, acl in access(site).items()}
    space, managers = (ACC_2, STAFF), ("group:confluence/group.managers",)
    deep = [space, managers, (ACC_1, ACC_2, STAFF)]
    assert found == {
        "page/10": [space, managers], "page/11": [space, managers], "page/12": deep, "attachment/att1": deep,
        "blogpost/20": [space], "blogpost/21": [space, (ACC_1,)], "attachment/att2": [space, (ACC_1,)],
    }  # fmt: skip


def test_what_is_not_a_page_restricts_what_lies_below_it_too(site: Cloud) -> None:
    site.put("5", ("user", "acc-1"), kind="whiteboard")
    site.put("6", ("user", "acc-2"), kind="folder", parent=("whiteboard", "5"))
    site.put("10", parent=("folder", "6"))
    assert allowed(access(site)["page/10"]) == [(STAFF,), (ACC_1,), (ACC_2,)]


@pytest.mark.parametrize("levels", [1, 2, 5])
def test_below_an_ancestor_that_cannot_be_seen_nobody_may_read(site: Cloud, levels: int) -> None:
    site.put("1", ("user", "acc-1"))
    for n in range(2, 2 + levels):
        site.put(str(n), parent=("page", str(n - 1)))
    site.put("99")
    site.hidden.add("1")
    found = access(site)
    assert {reason(found[f"page/{n}"]) for n in range(2, 2 + levels)} == {"ancestor_unknown"}
    assert allowed(found["page/99"]) == [(STAFF,)]


@pytest.mark.parametrize("parent", [("embed", "7"), ("constellation", "7"), ("page", "7")])
def test_an_ancestor_of_a_kind_or_an_id_that_is_not_known_closes(site: Cloud, parent: tuple[str, str]) -> None:
    site.put("10", parent=parent)
    assert reason(access(site)["page/10"]) == "ancestor_unknown"


def test_pages_that_lie_under_each_other_close(site: Cloud) -> None:
    site.put("10", parent=("page", "11"))
    site.put("11", parent=("page", "10"))
    site.put("12", parent=("page", "10"))
    assert {reason(acl) for acl in access(site).values()} == {"ancestor_unknown"}


@pytest.mark.parametrize("drop", [("parentId",), ("parentId", "parentType")])
def test_a_listing_that_leaves_out_the_parent_does_not_open_the_page(
    site: Cloud, monkeypatch: pytest.MonkeyPatch, drop: tuple[str, ...]
) -> None:
    site.put("10", ("user", "acc-1"))
    site.put("11", parent=("page", "10"))
    said = Cloud._said

    def forgetful(self: Cloud, *args: Any, **more: Any) -> dict[str, Any]:
        return {name: value for name, value in said(self, *args, **more).items() if name not in drop}

    monkeypatch.setattr(Cloud, "_said", forgetful)
    found = access(site)
    assert reason(found["page/11"]) == "ancestor_unknown"
    assert allowed(found["page/10"]) == [(STAFF,), (ACC_1,)]


def test_what_search_does_not_know_yet_is_asked_for_alone(site: Cloud) -> None:
    site.put("10", ("user", "acc-1"))
    site.put("11", parent=("page", "10"))
    site.unsearched |= {"10", "11"}
    assert allowed(access(site)["page/11"]) == [(STAFF,), (ACC_1,)]


def test_a_search_that_is_refused_is_replaced_by_asking_one_by_one(site: Cloud) -> None:
    site.put("10", ("user", "acc-1"))
    site.api.fail(r"search\?cql=id", as_json({"message": "no"}, 400), times=9)
    assert allowed(access(site)["page/10"]) == [(STAFF,), (ACC_1,)]


@pytest.mark.parametrize("at_once", [1, 2, 3, 50])
def test_a_restriction_of_many_is_read_to_its_end(site: Cloud, at_once: int) -> None:
    site.put("10", *(("user", f"u{n}") for n in range(7)), *(("group", f"g{n}") for n in range(3)))
    site.subjects_at_once = at_once
    (_, clause) = allowed(access(site)["page/10"])
    assert len(clause) == 10


def test_one_restriction_that_is_refused_closes_its_subtree_alone(site: Cloud) -> None:
    site.put("10")
    site.put("11", parent=("page", "10"))
    site.put("12", parent=("page", "11"))
    site.unsearched.add("11")
    site.api.fail("content/11/restriction", as_json({"message": "no"}, 403), times=9)
    found = access(site)
    assert reason(found["page/11"]) == reason(found["page/12"]) == "restriction_unknown"
    assert allowed(found["page/10"]) == [(STAFF,)]


@pytest.mark.parametrize(
    "said",
    [
        {"operation": "read"},
        {"operation": "read", "restrictions": {}},
        {"restrictions": {"user": {"results": []}}},
        {"restrictions": {"user": {"results": []}, "group": {"_expandable": {}}}},
        {"restrictions": {"user": {"results": [], "start": 0, "totalSize": 1}, "group": {"results": []}}},
        [],
    ],
)
def test_half_a_restriction_is_none_that_is_known(site: Cloud, said: object) -> None:
    site.put("10")
    site.unsearched.add("10")
    site.api.fail("content/10/restriction", as_json(said))
    assert reason(access(site)["page/10"]) == "restriction_unknown"


def test_a_restriction_to_somebody_without_an_id_is_a_restriction(site: Cloud) -> None:
    site.put("10", ("user", "acc-1"))
    nobody = {"results": [{"type": "unknown"}], "limit": 100}
    said = {"restrictions": {"user": nobody, "group": {"results": [], "limit": 100}}}
    site.unsearched.add("10")
    site.api.fail("content/10/restriction", as_json(said))
    mapped = map_acl(access(site)["page/10"], {"confluence", "local"})
    assert mapped.acl is not None and mapped.acl[1].allow == frozenset() and mapped.ignored


def test_only_reading_the_space_lets_read(site: Cloud) -> None:
    site.granted["1"] = [
        grant("user", "acc-1", "create", "page"), grant("group", "writers", "administer", "space"),
        grant("group", "staff", "read", "space"), grant("user", "acc-2", "read", "page"),
    ]  # fmt: skip
    site.put("10")
    assert allowed(access(site)["page/10"]) == [(STAFF,)]
    site.granted["1"] = []
    assert allowed(access(site)["page/10"]) == [()]


@pytest.mark.parametrize(
    "principal",
    [None, {"type": "anonymous"}, {"type": "ACCESS_CLASS", "id": "anonymous-users"},
     {"type": "access_class", "id": "all-licensed-users"}],
)  # fmt: skip
def test_what_is_open_to_all_is_so_where_the_config_says_it(site: Cloud, principal: object) -> None:
    site.granted["1"].append({**grant("user", "x"), "principal": principal})
    site.put("10")
    assert allowed(access(site)["page/10"]) == [(STAFF,)]
    assert allowed(access(site, public="authenticated")["page/10"]) == [("authenticated", STAFF)]


@pytest.mark.parametrize("kind", ["role", "app", "user:alice", "ACCESS_CLASS", ""])
def test_a_holder_of_another_kind_lets_nobody_in_and_is_reported(site: Cloud, kind: str) -> None:
    site.granted["1"].append(grant(kind, "alice"))
    site.put("10")
    mapped = map_acl(access(site, public="authenticated")["page/10"], {"confluence", "local"})
    assert mapped.acl is not None and mapped.acl[0].allow == {STAFF}
    assert len(mapped.ignored) == 1


def test_a_space_whose_permissions_cannot_be_read_is_read_by_nobody(site: Cloud) -> None:
    site.space("2", "IT", ("group", "staff"))
    site.put("10")
    site.put("20", space="2")
    site.attach("att1", "10", "a.txt", b"a")
    site.api.fail("spaces/1/permissions", as_json({"message": "no"}, 403), times=9)
    found = access(site)
    assert reason(found["page/10"]) == reason(found["attachment/att1"]) == "permissions_unreadable"
    assert allowed(found["page/20"]) == [(STAFF,)]


def test_a_credential_that_ends_in_the_middle_is_no_word_about_access(site: Cloud) -> None:
    site.put("10")
    site.unsearched.add("10")
    site.api.fail("content/10/restriction", as_json({}, 401), times=9)
    with pytest.raises(SourceRefuses):
        access(site)


def test_a_page_that_is_moved_takes_all_below_it_along(site: Cloud) -> None:
    site.put("10", ("user", "acc-1"))
    site.put("11")
    site.put("12", parent=("page", "11"))
    before = site.connector()
    cursor = list(before.scan(None))[-1]
    site.contents["11"].parent = ("page", "10")
    found = {c.external_id: c for c in site.connector().scan(cursor.cursor) if isinstance(c, Upsert)}  # type: ignore[union-attr]
    was = {c.external_id: c for c in before.scan(None) if isinstance(c, Upsert)}
    assert allowed(found["page/12"].acl) == [(STAFF,), (ACC_1,)]
    assert found["page/12"].fingerprint == was["page/12"].fingerprint


@pytest.mark.parametrize("seed", range(20))
def test_a_reader_here_is_a_reader_there(site: Cloud, seed: int) -> None:
    """Random trees, restrictions, groups and grants, against the site's own rule said once more."""
    dice = random.Random(seed)
    people = [f"p{n}" for n in range(6)]
    groups = ["g0", "g1", "g2"]
    site.groups, site.accounts = {group: [] for group in groups}, {}
    for person in people:
        site.person(person, *dice.sample(groups, dice.randint(0, 2)))
    subjects: list[Subject] = [*(("user", p) for p in people), *(("group", g) for g in groups)]
    site.space("1", "HR", *dice.sample(subjects, 5))
    ids = [str(n) for n in range(1, 25)]
    for n, id in enumerate(ids):
        kind = dice.choice(["page", "page", "page", "folder"])
        above = dice.choice([None, *ids[:n]]) if n else None
        parent = (site.contents[above].kind, above) if above else None
        site.put(id, *dice.sample(subjects, dice.choice([0, 0, 1, 3])), kind=kind, parent=parent)
    site.unsearched = set(dice.sample(ids, 3))
    site.subjects_at_once, site.page_size = dice.choice([2, 100]), dice.choice([3, 100])

    def is_one_of(person: str, among: list[Subject]) -> bool:
        return any(person == id or (kind == "group" and person in site.groups[id]) for kind, id in among)

    def may(person: str, id: str | None) -> bool:
        if id is None:
            return is_one_of(person, [(g["principal"]["type"], g["principal"]["id"]) for g in site.granted["1"]])
        content = site.contents[id]
        own = not content.restricted or is_one_of(person, content.restricted)
        return own and may(person, content.parent[1] if content.parent else None)

    connector = site.connector(people={"named": {p: f"user:{p}" for p in people}})
    told = own_memberships([(m.group, m.member) for m in connector.memberships()], "confluence")
    for name, acl in access(site).items():
        for person in people:
            are = {f"user:{person}"}
            for _ in range(3):
                are |= {group for group, member in told if member in are}
            mine = isinstance(acl, tuple) and all(are & set(clause.allow) for clause in acl)
            assert mine == may(person, name.removeprefix("page/")), (name, person)


def test_groups_have_their_active_members(site: Cloud) -> None:
    site.person("acc-3", "staff", "night shift", accountStatus="inactive")
    site.person("712020:4f", "staff")
    site.person("acc-4", "staff", email="Dave@example.org")
    site.groups["empty"] = []
    named = {"acc-1": "user:alice", "acc-3": "user:gone", "712020:4f": "user:carol", "acc-9": "user:nobody"}
    told = members(site.connector(people={"named": named}))
    users = {member: group for group, member in told if member.startswith("user:")}
    assert set(users) == {"user:alice", "user:carol"}
    assert told == {
        *((group, user) for user, group in users.items()),
        *((STAFF, group) for group in users.values()),
    }
    assert users["user:alice"] == ACC_1


def test_a_member_who_leaves_a_group_is_told_no_more(site: Cloud) -> None:
    assert {m.member for m in site.connector().memberships() if m.group == STAFF} == {ACC_1, ACC_2}
    site.groups["staff"].remove("acc-2")
    assert {m.member for m in site.connector().memberships() if m.group == STAFF} == {ACC_1}


def test_an_e_mail_address_counts_where_the_config_says_so(site: Cloud) -> None:
    site.person("acc-4", "staff", email="Dave@example.org")
    people = {"named": {"dave@example.org": "user:dave"}}
    with pytest.raises(BadConfig) as refused:
        site.connector_of(people=people)
    assert refused.value.field == "config"
    told = list(site.connector_of(people=people, trust_emails=True).memberships())
    assert "user:dave" in {m.member for m in told}


def test_a_group_that_goes_while_groups_are_read_has_no_members(site: Cloud) -> None:
    site.person("acc-3", "other")
    site.api.fail("group/staff/members", as_json({}, 404), times=1)
    assert STAFF not in {m.group for m in site.connector().memberships()}


def test_half_a_reading_of_groups_raises(site: Cloud) -> None:
    site.api.fail("group/staff/members", as_json({"message": "no"}, 403), times=9)
    with pytest.raises(SourceRefuses):
        list(site.connector().memberships())


def test_the_credential_goes_in_every_request(site: Cloud) -> None:
    site.put("10")
    access(site)
    assert {asked.headers.get("authorization") for asked in site.api.asked} == {AUTHORIZATION}
