"""Wikis of GitHub, spoken with as git speaks: pages by commit, and nothing half, foreign or hostile believed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from connectors.github import wiki
from connectors.github.api import Github
from connectors.registry import make_connector
from tests.connectors.api import LOOPBACK, as_json
from tests.connectors.forge.packing import BLOB, COMMIT, TREE, commit, entry, named, pack, tree
from tests.connectors.git.repository import LINK, SUBMODULE
from tests.connectors.github.hub import TOKEN, Hub, Repo, basic, connector, fetched, scan
from tests.outbound.recording import World
from tests.outbound.serving import Asked, Reply, serving
from vouch.core.errors import DocumentRejected, NotFound, SourceRefuses, Unavailable, VouchError
from vouch.core.types import RawClause
from vouch.outbound.addresses import Allowed

READERS = (RawClause(("group:github/repo.7",), (), "collaborators of acme/handbook"),)
WIKI: dict[str, Any] = {"read": ["wiki"]}
BOTH: dict[str, Any] = {"repositories": ["acme/handbook", "acme/other"], "read": ["wiki", "issues"]}
REFS, PACK = r"wiki\.git/info/refs", r"wiki\.git/git-upload-pack"
REFS_KIND = {"Content-Type": "application/x-git-upload-pack-advertisement"}
PACK_KIND = {"Content-Type": "application/x-git-upload-pack-result"}


@pytest.fixture
def repo(github: Hub) -> Repo:
    repo = github.repo(7, "acme/handbook", collaborators={1: True})
    github.write(repo, {"Home.md": b"# Welcome", "Big-Hall.md": b"It is big."})
    return repo


def line(text: bytes) -> bytes:
    return f"{len(text) + 4:04x}".encode() + text


def refs(*lines: bytes) -> Reply:
    return Reply(200, line(b"# service=git-upload-pack\n") + b"0000" + b"".join(map(line, lines)) + b"0000", REFS_KIND)


def sent(data: bytes) -> Reply:
    """A pack, as a server sends it."""
    parts = [data[at : at + 60_000] for at in range(0, len(data), 60_000)]
    return Reply(200, b"0000" + line(b"NAK\n") + b"".join(line(b"\1" + part) for part in parts) + b"0000", PACK_KIND)


@dataclass
class At:
    """A wiki that is said to be at a commit of a pack that was made by hand."""

    github: Hub

    def __call__(self, *objects: bytes, top: bytes) -> None:
        made = commit(named("tree", top))
        id = named("commit", made).encode()
        self.github.api.fail(REFS, refs(id + b" HEAD\0side-band-64k ofs-delta filter object-format=sha1\n"), 100)
        self.github.api.fail(PACK, sent(pack(entry(COMMIT, made), entry(TREE, top), *objects)), 100)


@pytest.fixture
def at(github: Hub) -> At:
    return At(github)


# -- what is named --


def test_pages_are_documents_of_the_repositorys_readers(github: Hub, repo: Repo) -> None:
    more: dict[str | bytes, bytes | None] = {"rooms/Über uns?.MD": b"We.", "_Sidebar.md": b"s", "_footer.org": b"f"}
    github.write(repo, {**more, "plan.png": b"p", ".vouch.yaml": b"", ".x/a.md": b"h", "notes.txt": b"n"})
    seen = scan(github)
    assert seen.raised is None and seen.names == ["7/wiki/Big-Hall.md", "7/wiki/Home.md", "7/wiki/rooms/Über uns?.MD"]
    assert {change.acl for change in seen.documents.values()} == {READERS}
    hall, deep = seen.documents["7/wiki/Big-Hall.md"], seen.documents["7/wiki/rooms/Über uns?.MD"]
    assert (hall.title, hall.mime, hall.modified_at) == ("Big Hall", "text/markdown", None)
    assert hall.fingerprint == named("blob", b"It is big.")
    assert hall.uri == "https://github.example.org/acme/handbook/wiki/Big-Hall"
    assert deep.uri == "https://github.example.org/acme/handbook/wiki/%C3%9Cber%20uns%3F"  # of folders GitHub says none
    assert (fetched(github, "7/wiki/Home.md"), fetched(github, "7/wiki/rooms/Über uns?.MD")) == ("# Welcome", "We.")


@pytest.mark.parametrize("ending", ["markdown", "mdown", "org", "rst", "asciidoc", "adoc", "textile", "mediawiki"])
def test_a_page_may_be_of_any_kind_that_github_shows(github: Hub, repo: Repo, ending: str) -> None:
    github.write(repo, {f"Gate.{ending}": b"It closes at six."})
    found = scan(github).documents[f"7/wiki/Gate.{ending}"]
    assert found.mime == ("text/markdown" if ending.startswith("m") and ending != "mediawiki" else "text/plain")
    body = connector(github).fetch(found.external_id)
    assert (body.data, body.mime) == (b"It closes at six.", found.mime)


def test_a_scan_takes_no_text_along(github: Hub, repo: Repo) -> None:
    github.write(repo, {"Long.md": random.Random(1).randbytes(300_000)})
    scan(github, **WIKI)
    assert [b"filter blob:none" in asked.body for asked in github.api.asked_for(PACK)] == [True]
    (reply,) = [github.api.script(asked) for asked in github.api.asked_for(PACK)]
    assert len(reply.body) < 2000


def test_what_cannot_be_a_page_is_told(github: Hub, repo: Repo) -> None:
    github.write(repo, {"link.md": b"Home.md"}, mode=LINK)
    github.write(repo, {"sub.md": b"1" * 40}, mode=SUBMODULE)
    hostile: list[str | bytes] = ["a\u202eb.md", "x" * 10_000 + ".md", "new\nline.md", b"\xff.md", b"\xfe.md"]
    github.write(repo, dict.fromkeys(hostile, b"h"))
    seen = scan(github, **WIKI)
    assert seen.names == ["7/wiki/Big-Hall.md", "7/wiki/Home.md"]
    named = {name: reason for name, reason in seen.refused.items() if not name.startswith("7/unreadable/wiki-")}
    assert named == {"7/wiki/link.md": "symlink", "7/wiki/sub.md": "submodule"}
    assert [*seen.refused.values()].count("unreadable_name") == len(hostile)
    assert all(name.isprintable() and len(name) < 100 for name in seen.refused)
    asked = len(github.asked)
    for name in ("a\u202eb.md", "x" * 10_000 + ".md", "../Home.md", "plan.png", "_Sidebar.md", ".x/a.md", "", "Home"):
        with pytest.raises(NotFound):
            connector(github).fetch(f"7/wiki/{name}")
    assert len(github.asked) == asked
    for name in ("link.md", "sub.md", "Elsewhere.md"):
        with pytest.raises(NotFound):
            connector(github).fetch(f"7/wiki/{name}")


def test_a_file_and_a_page_of_one_unreadable_name_are_two(github: Hub, repo: Repo) -> None:
    github.push(repo, {"a\u202eb.md": b"x"})
    github.write(repo, {"a\u202eb.md": b"x"})
    assert [*scan(github).refused.values()] == ["unreadable_name"] * 2


# -- going on --


def test_while_nothing_was_written_one_question_is_all(github: Hub, repo: Repo) -> None:
    first = scan(github, **WIKI)
    again = scan(github, first.cursor, **WIKI)
    assert again.changes[:-1] == [] and again.cursor == first.cursor
    assert [path.partition("?")[0] for path in github.asked if "wiki" in path] == [
        "GET /acme/handbook.wiki.git/info/refs"
    ]
    assert not [path for path in github.asked if "collaborators" in path]


def test_what_was_written_renamed_or_removed_is_told_at_once(github: Hub, repo: Repo) -> None:
    github.write(repo, {"Gate.md": b"six", "Old-Name.md": b"same", "Kept.md": b"k"})
    first = scan(github, **WIKI)
    github.write(repo, {"Gate.md": b"seven", "Old-Name.md": None, "New-Name.md": b"same", "Home.md": None})
    after = scan(github, first.cursor, **WIKI)
    assert (after.names, after.deleted) == (
        ["7/wiki/Gate.md", "7/wiki/New-Name.md"], ["7/wiki/Home.md", "7/wiki/Old-Name.md"]
    )  # fmt: skip
    whole = scan(github, **WIKI)
    assert {name: whole.documents[name] for name in after.names} == after.documents
    assert whole.cursor == after.cursor


def test_a_page_that_becomes_a_link_is_one_thing_at_a_time(github: Hub, repo: Repo) -> None:
    github.write(repo, {"Home.md": b"Big-Hall.md"})
    first = scan(github, **WIKI)
    github.write(repo, {"Home.md": b"Big-Hall.md"}, mode=LINK)  # the same bytes
    second = scan(github, first.cursor, **WIKI)
    assert (second.refused, second.deleted, second.names) == ({"7/wiki/Home.md": "symlink"}, [], [])
    github.write(repo, {"Home.md": b"# Again"})
    assert scan(github, second.cursor, **WIKI).names == ["7/wiki/Home.md"]


def test_history_that_was_rewritten_is_a_difference_like_any_other(github: Hub, repo: Repo) -> None:
    first = scan(github, **WIKI)
    github.write(repo, {"Home.md": b"# Anew", "Big-Hall.md": None}, parents=[])
    after = scan(github, first.cursor, **WIKI)
    assert (after.names, after.deleted, after.raised) == (["7/wiki/Home.md"], ["7/wiki/Big-Hall.md"], None)


def test_a_repository_with_another_name_has_its_pages_at_another_address(github: Hub, repo: Repo) -> None:
    first = scan(github, **WIKI)
    repo.name, github.moved = "acme/manual", {"acme/handbook": 7}
    github.write(repo, {"Big-Hall.md": None})
    after = scan(github, first.cursor, **WIKI)
    assert (after.names, after.deleted) == (["7/wiki/Home.md"], ["7/wiki/Big-Hall.md"])
    assert after.documents["7/wiki/Home.md"].uri == "https://github.example.org/acme/manual/wiki/Home"
    assert fetched(github, "7/wiki/Home.md") == "# Welcome"


def test_a_cursor_of_before_wikis_were_read_names_every_page(github: Hub, repo: Repo) -> None:
    github.issue(repo, 1)
    before = scan(github, read=["issues"])
    assert scan(github, before.cursor, read=["issues", "wiki"]).names == [
        "7/issues/1", "7/wiki/Big-Hall.md", "7/wiki/Home.md"
    ]  # fmt: skip


# -- no wiki --


def _is_not_there(github: Hub, repo: Repo) -> None:
    repo.wiki = None


def _is_turned_off(github: Hub, repo: Repo) -> None:
    repo.has_wiki = False


def _is_emptied(github: Hub, repo: Repo) -> None:
    github.write(repo, {"Home.md": None, "Big-Hall.md": None})


def _has_no_commit(github: Hub, repo: Repo) -> None:
    github.api.fail(REFS, refs(b"0" * 40 + b" capabilities^{}\0side-band-64k\n"), 100)


def _says_nothing(github: Hub, repo: Repo) -> None:
    github.api.fail(REFS, refs(), 100)


@pytest.mark.parametrize("happens", [_is_not_there, _is_turned_off, _is_emptied, _has_no_commit, _says_nothing])
def test_no_wiki_is_no_error_and_takes_nothing_but_its_pages(
    github: Hub, repo: Repo, happens: Callable[[Hub, Repo], None]
) -> None:
    github.issue(repo, 1)
    first = scan(github)
    happens(github, repo)
    after = scan(github, first.cursor)
    assert (after.raised, after.deleted) == (None, ["7/wiki/Big-Hall.md", "7/wiki/Home.md"])
    whole = scan(github)
    assert (whole.raised, whole.names) == (None, ["7/issues/1"])
    asked = scan(github, after.cursor)
    assert asked.deleted == [] and not github.api.asked_for(PACK)
    with pytest.raises(NotFound):
        connector(github).fetch("7/wiki/Home.md")


def test_a_wiki_that_is_turned_off_is_not_asked_for(github: Hub, repo: Repo) -> None:
    repo.has_wiki = False
    assert scan(github).raised is None and not github.api.asked_for("wiki")


# -- when it fails --


@pytest.mark.parametrize("path", [REFS, PACK])
@pytest.mark.parametrize("status", [403, 400, 451])
def test_a_wiki_that_is_forbidden_is_told_after_the_others_were_read(
    github: Hub, repo: Repo, path: str, status: int
) -> None:
    github.write(github.repo(8, "acme/other", collaborators={1: True}), {"Home.md": b"x"})
    before = scan(github, **BOTH)
    github.api.fail(f"handbook.{path}", Reply(status, b"Write access not granted."), 100)
    seen = scan(github, **BOTH)
    assert isinstance(seen.raised, DocumentRejected) and seen.raised.reason == "unreached"
    assert "acme/handbook: " in seen.raised.detail and str(status) in seen.raised.detail
    assert seen.names == ["8/wiki/Home.md"] and list(seen.cursor["repositories"]) == ["8"]
    github.write(repo, {"Home.md": b"another"})
    assert scan(github, before.cursor, **BOTH).deleted == []
    with pytest.raises(SourceRefuses):
        connector(github).fetch("7/wiki/Home.md")


def test_a_token_that_is_not_good_is_no_wiki_that_is_gone(github: Hub, repo: Repo) -> None:
    first = scan(github, **WIKI)
    github.api.fail(REFS, Reply(401, b"Invalid username or token."), 100)
    seen = scan(github, first.cursor, **WIKI)
    assert isinstance(seen.raised, SourceRefuses) and seen.raised.said == 401 and seen.changes == []
    assert TOKEN not in str(seen.raised)


def test_nobody_who_does_not_say_who_he_is_is_told_what_there_is_not(github: Hub, repo: Repo) -> None:
    """GitHub asks who wants to know, where there is nothing."""
    repo.visibility, github.api.authorization = "public", None
    asked: dict[str, Any] = {"token": None, "public": "authenticated", **WIKI}
    assert scan(github, **asked).names == ["7/wiki/Big-Hall.md", "7/wiki/Home.md"]
    github.api.fail(REFS, Reply(401, b"", {"WWW-Authenticate": 'Basic realm="GitHub"'}), 100)
    seen = scan(github, **asked)
    assert (seen.raised, seen.names) == (None, [])
    assert not [asked for asked in github.api.asked if "authorization" in asked.headers]


def _cut(reply: Reply) -> Reply:
    return replace(reply, body=reply.body[: len(reply.body) // 2])


def _short_of_its_end(reply: Reply) -> Reply:
    return replace(reply, body=reply.body[:-4])


def _cut_on_the_way(reply: Reply) -> Reply:
    return replace(_cut(reply), declared=len(reply.body))


@pytest.mark.parametrize("path", [REFS, PACK])
@pytest.mark.parametrize(
    "change", [_cut, _short_of_its_end, _cut_on_the_way, lambda reply: Reply(500), lambda reply: Reply(429)]
)
def test_what_passes_is_waited_for(
    github: Hub, repo: Repo, slept: list[float], path: str, change: Callable[[Reply], Reply]
) -> None:
    scan(github, **WIKI)
    (asked,) = github.api.asked_for(path)
    github.api.fail(path, change(github.api.script(asked)))
    seen = scan(github, **WIKI)
    assert seen.raised is None and len(seen.names) == 2 and slept == [1]


OTHERS = {
    "a page": Reply(200, b"<html>Sign in</html>", {"Content-Type": "text/html"}),
    "nothing": Reply(200),
    "an old server": Reply(200, b"1" * 40 + b"\trefs/heads/main\n", {"Content-Type": "text/plain"}),
    "git as text": replace(refs(), headers={"Content-Type": "text/plain"}),
    "no lines": Reply(200, b"zzzz", REFS_KIND),
    "a line of no length": Reply(200, b"0002", REFS_KIND),
    "a line past the end": Reply(200, b"ffff# service", REFS_KIND),
    "another service": Reply(200, line(b"# service=git-receive-pack\n") + b"0000", REFS_KIND),
}


@pytest.mark.parametrize("reply", OTHERS.values(), ids=OTHERS.keys())
def test_what_is_not_git_ends_the_scan(github: Hub, repo: Repo, reply: Reply) -> None:
    first = scan(github, **WIKI)
    github.api.fail(REFS, reply, 100)
    seen = scan(github, first.cursor, **WIKI)
    assert isinstance(seen.raised, Unavailable) and seen.changes == []
    with pytest.raises(Unavailable):
        connector(github).fetch("7/wiki/Home.md")


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, line(b"ERR upload-pack: not our ref\n"), PACK_KIND),
        Reply(200, b"0000" + line(b"NAK\n") + line(b"\3fatal: out of memory\n") + b"0000", PACK_KIND),
        Reply(200, b"0000" + line(b"NAK\n"), PACK_KIND),
        Reply(200, b"", PACK_KIND),
        sent(pack()[:-1]),
        sent(b""),
        replace(sent(pack()), headers={"Content-Type": "text/html"}),
    ],
)
def test_what_is_no_whole_pack_ends_the_scan(github: Hub, repo: Repo, reply: Reply) -> None:
    github.api.fail(PACK, reply, 100)
    assert isinstance(scan(github, **WIKI).raised, Unavailable)


@pytest.mark.parametrize(
    "knows", [b"ofs-delta", b"side-band-64k object-format=sha256"], ids=["an older protocol", "another kind of ids"]
)
def test_a_server_of_another_kind_is_left(github: Hub, repo: Repo, knows: bytes) -> None:
    github.api.fail(REFS, refs(b"1" * 40 + b" HEAD\0" + knows + b"\n"), 100)
    assert isinstance(scan(github, **WIKI).raised, DocumentRejected)


# -- what may do harm --


def test_a_redirect_is_not_followed_and_nobody_else_is_told_the_token(github: Hub, repo: Repo) -> None:
    with serving(lambda asked: Reply()) as elsewhere:
        for path in (REFS, PACK):
            for to in (f"{elsewhere.url}/acme/handbook.wiki.git/info/refs", f"{github.api.url}/login"):
                github.api.fail(path, Reply(301, b"", {"Location": to}))
                assert isinstance(scan(github, **WIKI).raised, DocumentRejected)
        assert elsewhere.asked == [] and not github.api.asked_for("login")


def test_nothing_inside_is_connected_to_whatever_is_answered(github: Hub, repo: Repo) -> None:
    """Neither where a redirect leads, nor where GitHub says that the repository has its pages."""
    port = int(github.api.url.rpartition(":")[2])
    world = World(allowed=Allowed.parse("127.0.0.1"))
    door = replace(LOOPBACK, ways=replace(world.door().ways, connect=_remembering(world)))
    config = {"base": github.api.url, "token": TOKEN, "repositories": ["acme/handbook"], "issuer": "github", **WIKI}
    github.api.fail(REFS, Reply(302, b"", {"Location": "http://169.254.169.254/latest/meta-data"}))
    with pytest.raises(DocumentRejected):
        list(make_connector("github", config, door).scan(None))
    assert list(make_connector("github", config, door).scan(None))
    assert set(world.attempts) == {("127.0.0.1", port)} and set(world.asked) == {"127.0.0.1"}


def _remembering(world: World) -> Any:
    def connect(address: str, port: int, timeout: float) -> Any:
        world.attempts.append((address, port))
        return LOOPBACK.ways.connect(address, port, timeout)

    return connect


def test_the_token_is_told_as_git_tells_it_and_only_where_the_api_is(github: Hub, repo: Repo) -> None:
    scan(github, **WIKI)
    connector(github).fetch("7/wiki/Home.md")
    for asked in github.api.asked:
        wanted = basic(TOKEN) if ".wiki.git/" in asked.path else f"Bearer {TOKEN}"
        assert asked.headers["authorization"] == wanted


@pytest.mark.parametrize(
    ("base", "web"),
    [
        ("https://api.github.com", "https://github.com/"),
        ("https://api.acme.ghe.com/", "https://acme.ghe.com/"),
        ("https://github.example.org/api/v3", "https://github.example.org/"),
        ("https://github.example.org:8443/git/api/v3/", "https://github.example.org:8443/git"),
    ],
)
def test_where_wikis_are_follows_from_where_the_api_is(github: Hub, base: str, web: str) -> None:
    api = Github(connector(github, base=base).config, LOOPBACK)  # type: ignore[attr-defined]
    assert str(api.web.base).rstrip("/") == web.rstrip("/")


def test_a_pack_past_its_bound_is_left_and_the_repository_named(github: Hub, repo: Repo) -> None:
    github.api.fail(PACK, Reply(200, b"0000" + line(b"NAK\n") + line(b"\1" + b"x" * 60_000) * 60, PACK_KIND), 100)
    raised = scan(github, **WIKI, max_wiki_mb=1).raised
    assert isinstance(raised, DocumentRejected) and "its wiki is larger than 1 MiB" in raised.detail


def test_a_wiki_of_billions_of_paths_is_left(github: Hub, repo: Repo, at: At) -> None:
    trees = [tree(("100644", b"a.md", "1" * 40))]
    for _ in range(40):
        id = named("tree", trees[-1])
        trees.append(tree(("40000", b"a", id), ("40000", b"b", id)))
    at(*(entry(TREE, one) for one in trees[:-1]), top=trees[-1])
    raised = scan(github, **WIKI, max_items=5000).raised
    assert isinstance(raised, DocumentRejected) and "files and folders" in raised.detail


def test_a_page_that_unpacks_to_a_flood_is_left(github: Hub, repo: Repo, at: At) -> None:
    flood = b"\0" * (9 << 20)
    at(entry(BLOB, flood), top=tree(("100644", b"a.md", named("blob", flood))))
    assert isinstance(scan(github, **WIKI, max_wiki_mb=1).raised, DocumentRejected)
    with pytest.raises(SourceRefuses):
        connector(github, max_wiki_mb=1).fetch("7/wiki/a.md")


def test_a_page_whose_text_is_another_than_its_id_says_is_not_believed(github: Hub, repo: Repo, at: At) -> None:
    at(entry(BLOB, b"forged"), top=tree(("100644", b"a.md", named("blob", b"true"))))
    with pytest.raises(DocumentRejected):
        connector(github).fetch("7/wiki/a.md")
    at.github.api.faults.clear()
    made = commit(named("tree", b""))
    github.api.fail(PACK, sent(pack(entry(COMMIT, made), entry(TREE, b""))), 100)  # of another commit
    assert isinstance(scan(github, **WIKI).raised, DocumentRejected)


# -- what is fetched --


def test_one_pack_is_fetched_for_all_pages_of_a_wiki(github: Hub, repo: Repo) -> None:
    github.write(repo, {f"Page-{n}.md": f"text {n}".encode() for n in range(30)})
    github.api.asked.clear()
    for n in range(30):
        assert fetched(github, f"7/wiki/Page-{n}.md") == f"text {n}"
    assert len(github.api.asked_for(PACK)) == 1 and len(github.api.asked_for(REFS)) == 30
    github.write(repo, {"Page-1.md": b"another", "Page-2.md": None})
    assert fetched(github, "7/wiki/Page-1.md") == "another"
    with pytest.raises(NotFound):
        connector(github).fetch("7/wiki/Page-2.md")
    assert len(github.api.asked_for(PACK)) == 2


def test_texts_are_kept_of_few_wikis(github: Hub, repo: Repo) -> None:
    for id in range(8, 14):
        github.write(github.repo(id, f"acme/r{id}"), {"Home.md": str(id).encode()})
    for _ in range(2):
        for id in range(8, 14):
            assert fetched(github, f"{id}/wiki/Home.md") == str(id)
    assert len(github.api.asked_for(PACK)) == 12
    assert len(wiki._held) == 4


def test_what_is_kept_is_for_those_alone_who_may_read_it(github: Hub, repo: Repo) -> None:
    fetched(github, "7/wiki/Home.md")
    for status, raises in ((403, SourceRefuses), (404, NotFound), (401, SourceRefuses)):
        github.api.fail(REFS, Reply(status), 2)
        with pytest.raises(raises):
            connector(github).fetch("7/wiki/Home.md")
        github.api.faults.clear()

    def another(asked: Asked) -> Reply:  # a server that claims to be at the same commit
        if "upload-pack" in asked.path.partition("?")[0]:
            return Reply(404)
        return github.api.script(asked)

    with serving(another) as server:
        with pytest.raises(VouchError):
            connector(github, base=server.url).fetch("7/wiki/Home.md")
        assert [asked.path for asked in server.asked if asked.method == "POST"]


def test_a_page_that_is_too_large_or_kept_elsewhere_is_refused(github: Hub, repo: Repo) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"
    github.write(repo, {"Kept.md": pointer, "Large.md": b"x" * 1025, "Just.md": b"y" * 1024})
    for name, reason in (("Kept", "lfs_pointer"), ("Large", "too_large")):
        with pytest.raises(DocumentRejected) as refused:
            connector(github, max_thread_kb=1).fetch(f"7/wiki/{name}.md")
        assert refused.value.reason == reason
    assert fetched(github, "7/wiki/Just.md", max_thread_kb=1) == "y" * 1024
    assert len(fetched(github, "7/wiki/Large.md")) == 1025


def test_a_wiki_that_is_too_large_is_asked_for_once(github: Hub, repo: Repo) -> None:
    chance = random.Random(2)
    github.write(repo, {f"{n}.md": chance.randbytes(400_000) for n in range(3)})
    assert len(scan(github, **WIKI, max_wiki_mb=1).names) == 5
    for n in range(3):
        with pytest.raises(DocumentRejected) as refused:
            connector(github, max_wiki_mb=1).fetch(f"7/wiki/{n}.md")
        assert refused.value.reason == "too_large" and "1 MiB" in refused.value.detail
    assert len(github.api.asked_for(PACK)) == 2
    assert len(connector(github).fetch("7/wiki/1.md").data) == 400_000


def test_a_server_that_leaves_nothing_out_is_read_as_well(github: Hub, repo: Repo, at: At) -> None:
    page, large = b"It is big.", b"z" * 5000
    top = tree(("100644", b"Hall.md", named("blob", page)), ("100644", b"Large.md", named("blob", large)))
    at(entry(BLOB, page), entry(BLOB, large), top=top)
    faults = [
        replace(fault.reply, body=fault.reply.body.replace(b" filter ", b" xxxxxx ")) for fault in github.api.faults
    ]
    for fault, reply in zip(github.api.faults, faults, strict=True):
        fault.reply = reply
    assert scan(github, **WIKI).names == ["7/wiki/Hall.md", "7/wiki/Large.md"]
    assert fetched(github, "7/wiki/Hall.md", max_thread_kb=1) == "It is big."
    with pytest.raises(DocumentRejected):
        connector(github, max_thread_kb=1).fetch("7/wiki/Large.md")
    assert not [asked for asked in github.api.asked if b"filter" in asked.body]


def test_more_than_was_agreed_ends_the_scan(github: Hub, repo: Repo) -> None:
    github.write(repo, {f"{n}.md": b"x" for n in range(4)})
    assert isinstance(scan(github, **WIKI, max_items=5).raised, DocumentRejected)
    assert scan(github, **WIKI, max_items=6).raised is None


def test_repositories_that_say_no_more_of_it_have_no_wiki(github: Hub, repo: Repo) -> None:
    told = github._repository(repo)
    del told["has_wiki"]
    github.api.fail("/repos/", as_json(told))
    assert scan(github, **WIKI).names == []
