"""The jira connector against a site on loopback: who may see an issue, what of it is read, and what faults do."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from acl.groups import own_memberships
from acl.mapping import map_acl
from connectors.registry import make_connector
from tests.connectors.api import Answer, as_json, truncated
from tests.connectors.confluence.cloud import Patience
from tests.connectors.jira.cloud import Jira, holder, jira, text
from tests.connectors.seen import allowed, members, reason
from tests.outbound.recording import World as Recorded
from tests.outbound.serving import Reply
from vouch.core.errors import (
    BadConfig,
    DocumentRejected,
    NotFound,
    OutboundRefused,
    SourceRefuses,
    Unavailable,
    VouchError,
)
from vouch.core.types import Change, Checkpoint, SourceAcl, Upsert

STAFF, ACC_1, ACC_2 = "group:jira/group.staff", "group:jira/account.acc-1", "group:jira/account.acc-2"


@pytest.fixture
def site() -> Iterator[Jira]:
    with jira() as made:
        yield made


def scanned(site: Jira, /, **config: Any) -> dict[str, Upsert]:
    changes: list[Change] = list(site.connector(**config).scan(None))
    assert isinstance(changes[-1], Checkpoint)
    named = {c.external_id: c for c in changes if isinstance(c, Upsert)}
    assert len(named) == len(changes) - 1
    return named


def access(site: Jira, id: str = "10", /, **config: Any) -> SourceAcl:
    return scanned(site, **config)[f"issue/{id}"].acl


def _answers_first(site: Jira, pattern: str, answer: Answer) -> None:
    """Let ``answer`` come before the site's own."""
    site.api.route("GET", f"/rest/api/3{pattern}")(answer)
    site.api.routes.insert(0, site.api.routes.pop())


# -- who may see an issue --


def test_holders_of_every_kind_that_can_be_told(site: Jira) -> None:
    site.roles["7"] = [
        {"type": "atlassian-group-role-actor", "actorGroup": {"groupId": "crew", "name": "Crew"}},
        {"type": "atlassian-user-role-actor", "actorUser": {"accountId": "acc-2"}},
    ]
    site.products["jira-software"] = ["licensed"]
    kinds = [("projectRole", "7"), ("applicationRole", "jira-software"), ("projectLead", None), ("reporter", None)]
    site.project("1", "OPS", *(holder(*kind) for kind in kinds), holder("user", "acc-9"))
    site.put("10")
    site.put("11", reporter={"accountId": "acc-2"}, assignee={"accountId": "acc-1"})
    site.put("12", reporter=None)
    always = ["group:jira/account.acc-2", "group:jira/account.acc-9", "group:jira/account.acc-lead",
              "group:jira/group.crew", "group:jira/group.licensed"]  # fmt: skip
    assert allowed(access(site, "10")) == [tuple(sorted([ACC_1, *always]))]
    assert allowed(access(site, "11")) == allowed(access(site, "12")) == [tuple(always)]


@pytest.mark.parametrize("kind", ["anyone", "applicationRole"])
def test_what_is_open_to_all_is_so_where_the_config_says_it(site: Jira, kind: str) -> None:
    site.browse["1"].append(holder(kind))
    site.put("10")
    assert allowed(access(site)) == [(STAFF,)]
    assert allowed(access(site, public="authenticated")) == [("authenticated", STAFF)]


@pytest.mark.parametrize(
    "kind", ["groupCustomField", "userCustomField", "user:alice", "something.new", "projectRole", "group", "None"]
)
def test_a_holder_that_cannot_be_told_lets_nobody_in_and_is_reported(site: Jira, kind: str) -> None:
    site.roles["alice"] = [{"type": "odd-actor", "actorUser": {}}]
    unknown = {"type": "group", "parameter": "a name alone"} if kind == "group" else holder(kind, "alice")
    site.browse["1"].append(unknown)
    site.put("10")
    mapped = map_acl(access(site, public="authenticated"), {"jira", "local"})
    assert mapped.acl is not None and mapped.acl[0].allow == {STAFF} and len(mapped.ignored) == 1


def test_the_portal_of_a_service_desk_shows_no_issues(site: Jira) -> None:
    site.browse["1"] = [holder("sd.customer.portal.only")]
    site.put("10")
    assert allowed(access(site)) == [()]


@pytest.mark.parametrize(("place", "reported"), [("role/7", "projectRole"), ("applicationrole", "applicationRole")])
def test_a_role_that_may_not_be_read_lets_nobody_in(site: Jira, place: str, reported: str) -> None:
    site.browse["1"].append(holder(reported, "7"))
    site.put("10")
    site.api.fail(place, as_json({}, 403), times=9)
    mapped = map_acl(access(site), {"jira", "local"})
    assert mapped.acl is not None and mapped.acl[0].allow == {STAFF} and reported in mapped.ignored[0]


def test_a_security_level_is_a_clause_of_its_own(site: Jira) -> None:
    site.levels["5"] = [holder("user", "acc-2"), holder("reporter"), holder("assignee")]
    site.levels["6"] = []
    site.put("10", security="5")
    site.put("11", security="6")
    site.put("12", security="7")
    site.put("13")
    assert allowed(access(site, "10")) == [(STAFF,), (ACC_1, ACC_2)]
    open_to_all = scanned(site, public="authenticated")  # the site tells of another level, too, which anyone is in
    for found in (access(site, "11"), access(site, "12"), open_to_all["issue/11"].acl, open_to_all["issue/12"].acl):
        assert allowed(found) == [(STAFF,), ()]
    assert allowed(access(site, "13")) == [(STAFF,)]


def test_a_level_that_may_not_be_read_closes_its_issues(site: Jira) -> None:
    site.put("10", security="5")
    site.put("11")
    site.api.fail("level/member", as_json({}, 403), times=9)
    found = scanned(site)
    assert reason(found["issue/10"].acl) == "security_level_unknown"
    assert allowed(found["issue/11"].acl) == [(STAFF,)]


def test_a_level_that_is_not_told_is_not_none(site: Jira) -> None:
    site.project("2", "HR", holder("group", "staff"))
    site.with_levels.add("1")
    site.put("10", security="5")
    site.put("20", project="2")
    site.silent.add("security")
    found = scanned(site)
    assert reason(found["issue/10"].acl) == "security_level_unknown"
    assert allowed(found["issue/20"].acl) == [(STAFF,)]
    site.api.fail("project/2/issuesecuritylevelscheme", as_json({}, 403), times=9)
    assert reason(access(site, "20")) == "security_level_unknown"


OPEN = {"issuerestrictions": {}, "shouldDisplay": True}
TO_ROLES = {"issuerestrictions": {"projectrole": [{"id": "10002"}]}, "shouldDisplay": True}


@pytest.mark.parametrize(
    ("said", "team_managed", "open_"),
    [
        (OPEN, True, True), (OPEN, False, True), (None, False, True), ("absent", False, True),
        (TO_ROLES, True, False), (TO_ROLES, False, False), (None, True, False), ("absent", True, False),
        ({}, False, False), ({"issuerestrictions": []}, False, False), ([], False, False),
    ],
)  # fmt: skip
def test_an_issue_that_is_restricted_to_roles_is_closed(
    site: Jira, said: object, team_managed: bool, open_: bool
) -> None:
    style = {"style": "next-gen"} if team_managed else {}
    site.project("1", "OPS", holder("group", "staff"), **style)
    site.put("10", **({} if said == "absent" else {"issuerestriction": said}))
    if open_:
        assert allowed(access(site)) == [(STAFF,)]
    else:
        assert reason(access(site)) == "restriction_unknown"


@pytest.mark.parametrize("status", [403, 404])
def test_a_project_whose_permissions_cannot_be_read_is_seen_by_nobody(site: Jira, status: int) -> None:
    site.project("2", "HR", holder("group", "staff"))
    site.put("10")
    site.put("20", project="2")
    site.api.fail("project/1/permissionscheme", as_json({}, status), times=9)
    found = scanned(site)
    assert reason(found["issue/10"].acl) == "permissions_unreadable"
    assert allowed(found["issue/20"].acl) == [(STAFF,)]


@pytest.mark.parametrize("place", ["permissionscheme", "level/member", "role/7"])
def test_a_credential_that_ends_in_the_middle_is_no_word_about_access(site: Jira, place: str) -> None:
    site.browse["1"].append(holder("projectRole", "7"))
    site.roles["7"] = []
    site.put("10", security="5")
    site.api.fail(place, as_json({}, 401), times=9)
    with pytest.raises(SourceRefuses):
        scanned(site)


@pytest.mark.parametrize("seed", range(12))
def test_who_sees_an_issue_here_sees_it_there(site: Jira, seed: int) -> None:
    """Random schemes, levels, roles and groups, against the site's own rule said once more."""
    dice = random.Random(seed)
    people, groups = [f"p{n}" for n in range(6)], ["g0", "g1", "g2"]
    site.groups, site.accounts = {group: [] for group in groups}, {}
    for person in people:
        site.person(person, *dice.sample(groups, dice.randint(0, 2)))
    role = dice.sample([*people, *groups], 3)
    site.roles["7"] = [
        {"actorGroup": {"groupId": one}} if one in groups else {"actorUser": {"accountId": one}} for one in role
    ]
    holders = [
        *(holder("user", p) for p in people), *(holder("group", g) for g in groups), holder("projectRole", "7"),
        holder("reporter"), holder("assignee"), holder("projectLead"), holder("groupCustomField", "x"),
    ]  # fmt: skip
    site.project("1", "OPS", *dice.sample(holders, dice.randint(1, 5)), lead=dice.choice(people))
    site.levels = {str(n): dice.sample(holders, dice.randint(0, 4)) for n in range(3)}
    for n in range(10):
        reporter, assignee = ({"accountId": dice.choice(people)} for _ in range(2))
        site.put(str(n), security=dice.choice([None, "0", "1", "2"]), reporter=reporter, assignee=assignee)

    def is_one_of(person: str, held: list[dict[str, Any]], fields: dict[str, Any]) -> bool:
        mine = {person, *(group for group in groups if person in site.groups[group])}
        mine |= {"7"} if mine & set(role) else set()
        mine |= {kind for kind in ("reporter", "assignee") if fields[kind]["accountId"] == person}
        mine |= {"projectLead"} if site.projects["1"]["lead"]["accountId"] == person else set()
        return any(one.get("value", one["type"]) in mine for one in held)

    connector = site.connector(people={"named": {p: f"user:{p}" for p in people}})
    told = own_memberships([(m.group, m.member) for m in connector.memberships()], "jira")
    for name, found in scanned(site).items():
        fields = site.issues[name.removeprefix("issue/")]
        for person in people:
            are = {f"user:{person}"}
            for _ in range(3):
                are |= {group for group, member in told if member in are}
            mine = isinstance(found.acl, tuple) and all(are & set(clause.allow) for clause in found.acl)
            level = fields["security"]
            let_in = level is None or is_one_of(person, site.levels[level["id"]], fields)
            assert mine == (is_one_of(person, site.browse["1"], fields) and let_in), (name, person)


def test_groups_have_their_active_members(site: Jira) -> None:
    site.person("acc-3", "staff", active=False)
    site.person("acc-4", emailAddress="dave@example.org")
    site.person("acc-5", active=False)
    named = {"acc-1": "user:alice", "acc-3": "user:gone", "acc-4": "user:dave", "acc-5": "user:left", "acc-9": "user:x"}
    told = members(site.connector(people={"named": named}))
    assert told == {(ACC_1, "user:alice"), (STAFF, ACC_1), ("group:jira/account.acc-4", "user:dave")}
    people = {"named": {"Mia@example.org": "user:mia"}}
    with pytest.raises(BadConfig):
        site.connector_of(people=people)
    site.person("acc-6", "staff", emailAddress="mia@example.org")
    assert "user:mia" in {m.member for m in site.connector(people=people, trust_emails=True).memberships()}


# -- what is read of it --


def test_an_issue_says_what_it_is(site: Jira) -> None:
    site.put("10", "The pump leaks.", summary="Pump <7> & valve", status={"name": "In Progress"})
    site.say("10", "I saw it too.")
    found = scanned(site)["issue/10"]
    assert found.title == "OPS-10 Pump <7> & valve" and found.uri == f"{site.api.url}/browse/OPS-10"
    assert found.modified_at is not None and found.modified_at.isoformat() == "2026-03-01T12:00:00+00:00"
    elsewhere = scanned(site, base_url="https://www.example.org/")["issue/10"]
    assert elsewhere.uri == "https://www.example.org/browse/OPS-10"
    body = site.connector().fetch("issue/10")
    assert body.mime == found.mime == "text/html"
    said = body.data.decode()
    assert "<h1>OPS-10 Pump &lt;7&gt; &amp; valve</h1>" in said and "<li>Status: In Progress</li>" in said
    assert "<p>The pump leaks.</p>" in said and "<h3>Bob, 2026-03-01</h3>\n<div><p>I saw it too.</p></div>" in said


@pytest.mark.parametrize(
    "more",
    [
        {"visibility": {"type": "role", "value": "Developers", "identifier": "10002"}},
        {"visibility": {"type": "group", "value": "staff", "identifier": "staff"}},
        {"visibility": {}}, {"jsdPublic": False}, {"jsdPublic": None},
    ],
)  # fmt: skip
def test_a_comment_for_some_alone_is_never_read(site: Jira, more: dict[str, Any]) -> None:
    site.put("10")
    for n in range(3):
        site.say("10", f"open {n}", jsdPublic=True)
        site.say("10", f"secret {n}", **more)
    said = site.connector().fetch("issue/10").data.decode()
    assert [f"open {n}" in said for n in range(3)] == [True] * 3 and "secret" not in said
    site.comments["10"] = [c for c in site.comments["10"] if "visibility" in c or c.get("jsdPublic") is not True]
    assert "Comments" not in site.connector().fetch("issue/10").data.decode()


def test_a_change_of_anything_that_is_read_changes_the_fingerprint(site: Jira) -> None:
    issue = site.put("10")
    told = [scanned(site)["issue/10"].fingerprint]
    comment = site.say("10", "first")
    told.append(scanned(site)["issue/10"].fingerprint)
    comment["visibility"] = {"type": "role", "value": "Developers"}
    told.append(scanned(site)["issue/10"].fingerprint)
    comment["updated"] = "2026-03-02T12:00:00.000+0000"
    told.append(scanned(site)["issue/10"].fingerprint)
    issue["updated"] = "2026-03-03T12:00:00.000+0000"
    told.append(scanned(site)["issue/10"].fingerprint)
    site.comments["10"].clear()
    told.append(scanned(site)["issue/10"].fingerprint)
    assert len(set(told)) == 6
    issue["updated"] = "2026-03-01T12:00:00.000+0000"
    issue["assignee"] = {"accountId": "acc-2"}
    assert scanned(site)["issue/10"].fingerprint == told[0]


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_every_page_of_every_listing_is_read(site: Jira, size: int) -> None:
    site.page_size = size
    for n in range(2, 6):
        site.project(str(n), f"P{n}", holder("group", "staff"))
    for n in range(5):
        site.put(str(n), project="4", security="5")
        site.person(f"p{n}", f"g{n}", "all")
    site.levels["5"] = [holder("user", f"p{n}") for n in range(5)]
    for n in range(4):
        site.say("0", f"remark {n}")
    found = scanned(site)
    assert len(found) == 5 and len(allowed(found["issue/0"].acl)[1]) == 5
    said = site.connector().fetch("issue/0").data.decode()
    assert [said.count(f"remark {n}") for n in range(4)] == [1] * 4
    named = {"named": {f"p{n}": f"user:p{n}" for n in range(5)}}
    assert len(list(site.connector(people=named).memberships())) == 5 * 3


def test_a_page_that_is_empty_is_not_the_last_one(site: Jira) -> None:
    site.put("10")
    pages = {"0": {"values": [], "isLast": False}, "50": {"values": [site.projects["1"]], "isLast": True}}
    _answers_first(site, "/project/search", lambda asked: pages[asked.query["startAt"]])
    assert set(scanned(site)) == {"issue/10"}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/project/search", {"values": [{"id": "1", "key": "OPS"}], "isLast": False}),
        ("/search/jql", {"issues": [], "nextPageToken": "same"}),
        ("/search/jql", {"issues": [], "nextPageToken": 7}),
    ],
)
def test_pages_that_never_end_end(site: Jira, path: str, said: object) -> None:
    _answers_first(site, path, lambda asked: said)
    with pytest.raises(Unavailable):
        scanned(site)


def test_projects_are_chosen_by_key(site: Jira) -> None:
    site.project("2", "HR", holder("group", "staff"))
    site.put("10")
    site.put("20", project="2")
    for config, expected in (
        ({}, {"issue/10", "issue/20"}),
        ({"projects": ["HR"]}, {"issue/20"}),
        ({"exclude_projects": ["HR"]}, {"issue/10"}),
    ):
        assert set(scanned(site, **config)) == expected
        for name in {"issue/10", "issue/20"} - expected:
            with pytest.raises(NotFound):
                site.connector(**config).fetch(name)
    with pytest.raises(BadConfig) as refused:
        scanned(site, projects=["HR", "GONE"])
    assert refused.value.field == "config.projects"
    with pytest.raises(BadConfig) as refused:
        scanned(site, max_items=1)
    assert refused.value.field == "config.max_items"


def test_an_issue_that_is_moved_is_the_same_document_under_other_access(site: Jira) -> None:
    site.project("2", "HR", holder("user", "acc-2"))
    site.put("10")
    before = scanned(site)["issue/10"]
    site.issues["10"]["project"] = {"id": "2"}
    after = scanned(site)["issue/10"]
    assert allowed(after.acl) == [(ACC_2,)] and after.title == "HR-10 Issue 10"
    assert after.fingerprint != before.fingerprint


def test_an_issue_that_moves_while_it_is_listed_is_named_once(site: Jira) -> None:
    site.project("2", "HR", holder("user", "acc-2"))
    site.put("10")
    issue = site._said("10", site.issues["10"], {"updated", "security"})
    _answers_first(site, "/search/jql", lambda asked: {"issues": [issue, issue], "isLast": True})
    assert set(scanned(site)) == {"issue/10"}


@pytest.mark.parametrize("name", ["x" * 10_000, "a\x00b\x1b[2Jc\n\u202e", "../../etc/passwd", "<b>&amp;", "\ud800"])
def test_a_hostile_summary_is_a_title(site: Jira, name: str) -> None:
    site.put("10", name, summary=name)
    site.say("10", name, author={"displayName": name})
    found = scanned(site)["issue/10"]
    assert found.title.isprintable() and len(found.title) <= 400
    assert "<b>" not in site.connector().fetch("issue/10").data.decode()


@pytest.mark.parametrize(
    "broken", [{"id": "../x"}, {"id": None}, {"key": "x y"}, {"key": "OPS-1/../2"}, {"fields": None}, {"fields": {}}]
)
def test_a_hostile_issue_is_no_answer(site: Jira, broken: dict[str, Any]) -> None:
    site.put("10")
    issue = {**site._said("10", site.issues["10"], {"updated", "security"}), **broken}
    _answers_first(site, "/search/jql", lambda asked: {"issues": [issue], "isLast": True})
    with pytest.raises(Unavailable):
        scanned(site)


def test_what_cannot_be_fetched_says_why(site: Jira) -> None:
    site.put("10", "x" * 3000)
    deep = text("a")
    for _ in range(200):
        deep = {"type": "blockquote", "content": [deep]}
    site.put("11", description=deep)
    for id, why in (("10", "too_large"), ("11", "too_deep")):
        with pytest.raises(DocumentRejected) as refused:
            site.connector(max_issue_kb=2).fetch(f"issue/{id}")
        assert refused.value.reason == why
    site.api.fail("issue/10", as_json({}, 403))
    with pytest.raises(DocumentRejected) as refused:
        site.connector().fetch("issue/10")
    assert refused.value.reason == "unreadable"
    for name in ("issue/12", "issue/x", "page/10", "issue/10/comment", "issue/"):
        with pytest.raises(NotFound):
            site.connector().fetch(name)


# -- faults --


@pytest.mark.parametrize("place", ["project/search", "search/jql", "permissionscheme", "level/member", "myself"])
@pytest.mark.parametrize(
    "fault",
    [
        Reply(500), Reply(429, b"", {"Retry-After": "7"}), truncated({"values": [], "isLast": True}),
        Reply(200, b"<html>"), Reply(200, b'{"values"'),
    ],
    ids=["500", "429", "truncated", "html", "half"],
)  # fmt: skip
def test_a_fault_that_passes_leaves_no_trace(site: Jira, place: str, fault: Reply) -> None:
    site.put("10", security="5")
    site.levels["5"] = [holder("user", "acc-2")]
    before = scanned(site)
    site.api.fail(place, fault, times=2)
    patience = Patience()
    changes = list(site.connector(patience).scan(None))
    assert {c.external_id: c for c in changes if not isinstance(c, Checkpoint)} == before
    assert patience.waited == pytest.approx([7, 7] if fault.status == 429 else [1, 2])


@pytest.mark.parametrize("place", ["project/search", "search/jql", "permissionscheme", "level/member", "myself"])
@pytest.mark.parametrize(
    "fault",
    [Reply(500), Reply(401), Reply(200, b""), Reply(200, b"[]"), Reply(200, b'{"values": [7]}'), Reply(200, b"{}")],
    ids=["500", "401", "empty", "list", "number", "nothing"],
)
def test_half_a_listing_raises(site: Jira, place: str, fault: Reply) -> None:
    site.put("10", security="5")
    site.api.fail(place, fault, times=99)
    with pytest.raises(VouchError):
        scanned(site)


@pytest.mark.parametrize("place", ["project/search", "search/jql"])
def test_a_listing_that_is_refused_raises(site: Jira, place: str) -> None:
    site.api.fail(place, Reply(403), times=99)
    with pytest.raises(SourceRefuses):
        scanned(site)


def test_half_a_reading_of_groups_raises(site: Jira) -> None:
    site.api.fail("group/member", as_json({}, 403), times=9)
    with pytest.raises(SourceRefuses):
        list(site.connector().memberships())


def test_a_long_pause_ends_the_scan_and_is_kept(site: Jira) -> None:
    site.api.fail("search/jql", Reply(429, b"", {"Retry-After": "900"}), times=99)
    with pytest.raises(Unavailable) as away:
        scanned(site)
    assert away.value.extra["retry_after_s"] == 900


def test_a_token_that_is_not_good_is_not_an_empty_site(site: Jira) -> None:
    with pytest.raises(SourceRefuses) as refused:
        scanned(site, token="of-somebody-else")
    assert refused.value.said == 401 and "of-somebody-else" not in str(refused.value)


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({"site": "https://10.0.0.1"}, "config.site"),
        ({"site": "example.org"}, "config.site"),
        ({"user": "a:b@example.org"}, "config.user"),
        ({"issuer": "No Issuer"}, "config.issuer"),
        ({"projects": ["OPS OR project = HR"]}, "config.projects.0"),
        ({"public": "all"}, "config.public"),
    ],
)
def test_a_configuration_that_cannot_work_names_its_field(site: Jira, told: dict[str, Any], field: str) -> None:
    site.connector_of()
    with pytest.raises(BadConfig) as refused:
        site.connector_of(**told)
    assert refused.value.field == field


def test_a_name_that_is_private_is_not_connected_to(site: Jira) -> None:
    world = Recorded()
    world.resolve = lambda host, port: ["10.0.0.7"]  # type: ignore[method-assign]
    connector = make_connector("jira", {**site.config, "site": "https://issues.example.org"}, world.door())
    with pytest.raises(OutboundRefused):
        list(connector.scan(None))
    assert world.attempts == []
