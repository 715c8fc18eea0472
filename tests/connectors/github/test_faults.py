"""GitHub when it is slow, cross, broken or somebody else: nothing half is believed, and no secret goes elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from connectors.github.api import Github, pause
from connectors.registry import make_connector
from tests.connectors.api import LOOPBACK, Request, as_json, truncated
from tests.connectors.github.hub import TOKEN, Hub, Repo, basic, connector, fetched, moment, scan
from tests.outbound.serving import Reply, serving
from vouch.core.errors import BadConfig, DocumentRejected, NotFound, OutboundRefused, SourceRefuses, Unavailable
from vouch.outbound.door import NOWHERE_PRIVATE, Answer
from vouch.outbound.url import parse_url

OTHER = {"repositories": ["acme/handbook", "acme/other"], "read": ["issues"]}
SECONDARY = as_json({"message": "You have exceeded a secondary rate limit. Please wait."}, 403)


@pytest.fixture
def repo(github: Hub) -> Repo:
    repo = github.repo(7, "acme/handbook", collaborators={1: True})
    github.push(repo, {"a.md": b"a"})
    github.issue(repo, 1)
    return repo


def until(seconds: int) -> dict[str, str]:
    """Headers of the primary limit."""
    return {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(datetime.now(UTC).timestamp()) + seconds)}


@pytest.mark.parametrize(
    ("answer", "pause"),
    [
        (Reply(429, b"", {"Retry-After": "7"}), 7),
        (Reply(403, b"", {"Retry-After": "8"}), 8),
        (SECONDARY, 60),
        (Reply(500), 1),
        (Reply(200, b'[{"a":'), 1),
        (truncated([{"number": 1}]), 1),
        (as_json({}, 502), 1),
    ],
)
def test_what_passes_is_waited_for(github: Hub, repo: Repo, slept: list[float], answer: Reply, pause: float) -> None:
    github.api.fail("/issues\\?", answer)
    seen = scan(github)
    assert seen.raised is None and len(seen.names) == 2 and slept == [pause]


def test_the_end_of_the_hour_is_waited_for_where_it_is_near(github: Hub, repo: Repo, slept: list[float]) -> None:
    github.api.fail("/issues\\?", Reply(403, b"", until(50)))
    assert scan(github).raised is None and len(slept) == 1 and 0 < slept[0] <= 50


@pytest.mark.parametrize("status", [403, 429])
@pytest.mark.parametrize("by", ["retry", "reset"])
def test_a_long_pause_ends_the_scan_and_nothing_is_asked_until_then(
    github: Hub, repo: Repo, slept: list[float], status: int, by: str
) -> None:
    headers = {"Retry-After": "3600"} if by == "retry" else until(3600)
    github.api.fail("/issues\\?", Reply(status, b"", headers))
    raised = scan(github).raised
    assert isinstance(raised, Unavailable) and 3000 <= raised.extra["retry_after_s"] <= 3600 and slept == []
    assert isinstance(scan(github).raised, Unavailable) and github.asked == []
    with pytest.raises(Unavailable):
        connector(github).fetch("7/issues/1")


def test_the_end_of_the_hour_is_told_by_githubs_clock() -> None:
    reset = datetime(2020, 1, 1, 0, 2, tzinfo=UTC).timestamp()
    headers = {
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": f"{reset:.0f}",
        "date": "Wed, 01 Jan 2020 00:00:00 GMT",
    }
    answer = Answer(parse_url("https://github.example.org/"), 403, headers, b"")
    assert pause(answer) == 120
    assert pause(replace(answer, status=404)) is None  # the last one of the hour, and no limit


@pytest.mark.parametrize(
    "path", ["/repos/", "collaborators", "/issues\\?", "/issues/comments", "/pulls/", "/git/trees"]
)
@pytest.mark.parametrize("answer", [Reply(500), truncated([{"id": 1}]), Reply(200, b"<html>"), as_json({"id": "x"})])
def test_what_does_not_pass_ends_the_scan(github: Hub, repo: Repo, path: str, answer: Reply) -> None:
    github.api.fail(path, answer, 100)
    if (path, answer.body) == ("collaborators", b'{"id": "x"}'):
        return  # a scan asks only whether there is an answer; the groups are read for what is in it
    assert isinstance(scan(github).raised, Unavailable)


@pytest.mark.parametrize("path", ["/commits", "/git/trees", "/issues\\?", "/issues/comments"])
def test_a_part_that_is_forbidden_is_told_after_the_others_were_read(github: Hub, repo: Repo, path: str) -> None:
    github.issue(github.repo(8, "acme/other", collaborators={1: True}), 1)
    config: dict[str, Any] = {"repositories": ["acme/handbook", "acme/other"], "read": ["files", "issues"]}
    github.api.fail(f"/repositories/7.*{path}", as_json({"message": "Resource not accessible"}, 403), 100)
    seen = scan(github, **config)
    assert isinstance(seen.raised, DocumentRejected) and seen.raised.reason == "unreached"
    assert seen.raised.detail.startswith("Nothing counts as gone: acme/handbook: ")
    assert "8/issues/1" in seen.names
    assert list(seen.cursor["repositories"]) == ["8"]


def test_a_repository_that_goes_while_it_is_read_is_told_and_counts_as_unread(github: Hub, repo: Repo) -> None:
    github.issue(github.repo(8, "acme/other", collaborators={1: True}), 1)
    github.api.fail("/repositories/7", as_json({"message": "Not Found"}, 404), 100)
    seen = scan(github, **OTHER)
    assert isinstance(seen.raised, DocumentRejected) and seen.names == ["8/issues/1"]


def test_issues_or_pull_requests_that_are_turned_off_are_none_and_the_others_are_read(github: Hub, repo: Repo) -> None:
    github.api.fail("/pulls", as_json({"message": "Not Found"}, 404), 100)
    seen = scan(github)
    assert seen.raised is None and seen.names == ["7/files/a.md", "7/issues/1"]
    github.api.fail("/issues", as_json({"message": "Issues are disabled for this repo"}, 410), 100)
    seen = scan(github)
    assert seen.raised is None and seen.names == ["7/files/a.md"]


def test_a_list_that_is_lost_after_its_beginning_is_no_shorter_list(github: Hub, repo: Repo) -> None:
    github.page = 1
    for number in range(2, 6):
        github.issue(repo, number)
    github.api.fail("/issues\\?.*since=", as_json({"message": "Not Found"}, 404), 100)
    assert isinstance(scan(github).raised, DocumentRejected)


def test_an_item_that_is_forbidden_says_so_and_one_that_went_is_not_found(github: Hub, repo: Repo) -> None:
    github.api.fail("/issues/1", as_json({"message": "no"}, 403))
    with pytest.raises(SourceRefuses):
        connector(github).fetch("7/issues/1")
    scan(github)
    repo.gone.add(1)
    with pytest.raises(NotFound):
        connector(github).fetch("7/issues/1")


@pytest.mark.parametrize("content", ["aGVs", "###", "aGVsbG8h"])
def test_a_part_of_a_file_is_no_file(github: Hub, repo: Repo, content: str) -> None:
    whole = {"type": "file", "sha": "0" * 40, "size": 5, "encoding": "base64"}
    github.api.fail("/contents/", as_json({**whole, "content": content}))
    with pytest.raises(Unavailable):
        connector(github).fetch("7/files/a.md")


def test_pages_that_do_not_end_are_left(github: Hub, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.forge.since.MOST_PAGES", 20)

    @github.api.route("GET", "/never")
    def never(request: Request) -> Any:
        return as_json([], headers={"Link": f'<{github.api.url}/never>; rel="next"'})

    github.api.fail("/issues\\?", as_json([], headers={"Link": f'<{github.api.url}/never>; rel="next"'}))
    raised = scan(github).raised
    assert isinstance(raised, Unavailable) and len(github.asked) < 40


def test_a_next_page_elsewhere_is_not_asked_for(github: Hub, repo: Repo) -> None:
    with serving(lambda asked: Reply()) as elsewhere:
        link = {"Link": f'<{elsewhere.url}/repositories/7/issues?page=2>; rel="next"'}
        github.api.fail("/issues\\?", as_json([], headers=link))
        assert isinstance(scan(github).raised, DocumentRejected) and elsewhere.asked == []


def test_a_repository_that_is_said_to_have_moved_elsewhere_is_not_followed(github: Hub, repo: Repo) -> None:
    with serving(lambda asked: Reply()) as elsewhere:
        github.api.fail("/repos/", as_json({}, 301, {"Location": f"{elsewhere.url}/repositories/7"}))
        assert isinstance(scan(github).raised, SourceRefuses) and elsewhere.asked == []
    github.moved["acme/handbook"] = 7
    repo.name = "acme/else"
    github.api.fail("/repositories/7$", as_json({}, 301, {"Location": f"{github.api.url}/repos/acme/handbook"}), 100)
    assert isinstance(scan(github).raised, Unavailable)


# -- queries --


@pytest.mark.parametrize(
    ("kind", "raises"),
    [
        ("FORBIDDEN", DocumentRejected),
        ("INSUFFICIENT_SCOPES", DocumentRejected),
        ("RATE_LIMITED", Unavailable),
        ("", Unavailable),
    ],
)
def test_errors_of_a_query_are_no_empty_answer(github: Hub, repo: Repo, kind: str, raises: type[Exception]) -> None:
    github.discuss(repo, 5, "Keys", "b")
    errors = as_json({"data": {"node": None}, "errors": [{"type": kind, "message": "m"}]}, headers=until(120))
    github.api.fail("/graphql", errors)
    raised = scan(github).raised
    assert isinstance(raised, raises)
    if kind == "RATE_LIMITED":
        assert isinstance(raised, Unavailable) and 60 <= raised.extra["retry_after_s"] <= 120


def test_a_server_of_ones_own_is_queried_where_it_answers(github: Hub) -> None:
    api = Github(connector(github, base=f"{github.api.url}/api/v3").config, LOOPBACK)  # type: ignore[attr-defined]
    assert api._graphql == f"{github.api.url}/api/graphql"


# -- who asks --


def test_a_token_that_is_not_good_ends_it_at_once(github: Hub, repo: Repo) -> None:
    raised = scan(github, token="another").raised
    assert isinstance(raised, SourceRefuses) and raised.said == 401 and len(github.asked) == 1
    assert "another" not in str(raised)


def test_a_token_that_ends_in_the_middle_ends_the_scan(github: Hub, repo: Repo) -> None:
    github.api.fail("/issues", as_json({"message": "Bad credentials"}, 401), 100)
    assert isinstance(scan(github).raised, SourceRefuses)


def test_no_token_reads_what_is_public(github: Hub, repo: Repo) -> None:
    repo.visibility, github.api.authorization = "public", None
    assert scan(github, token=None, public="authenticated").raised is None
    assert not [asked for asked in github.api.asked if "authorization" in asked.headers]


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: Any, password: bytes | None = None) -> str:
    sealed = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    raw: bytes = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed)
    return raw.decode()


class Tokens:
    """The end of GitHub that exchanges what an App signs."""

    def __init__(self, github: Hub, key: rsa.RSAPrivateKey) -> None:
        self.given = 0
        github.api.authorization = None
        script = github.api.script

        @github.api.route("POST", "/app/installations/34/access_tokens")
        def exchange(request: Request) -> Any:
            signed = request.headers["authorization"].removeprefix("Bearer ")
            claims = jwt.decode(signed, key.public_key(), ["RS256"])
            assert claims["iss"] == "12" and claims["exp"] - claims["iat"] <= 600
            self.given += 1
            until = moment(datetime.now(UTC) + timedelta(hours=1))
            return as_json({"token": f"installation-{self.given}", "expires_at": until}, 201)

        def guarded(asked: Any) -> Reply:
            token = f"installation-{self.given}"
            wanted = basic(token) if ".wiki.git/" in asked.path else f"Bearer {token}"
            if "/app/" not in asked.path and asked.headers.get("authorization") != wanted:
                github.api.asked.append(asked)
                return as_json({"message": "Bad credentials"}, 401)
            return script(asked)

        github.api.script = guarded  # type: ignore[method-assign]


@pytest.fixture
def tokens(key: rsa.RSAPrivateKey, tmp_path: Path) -> Iterator[tuple[Hub, Tokens, dict[str, Any]]]:
    found = Hub(tmp_path)
    given = Tokens(found, key)
    found.serve()
    with serving(lambda asked: found.api.script(asked)) as server:
        found.api.url = server.url
        app = {"id": 12, "installation": 34, "private_key": pem(key)}
        yield found, given, {"token": None, "repositories": None, "app": app}


def test_an_app_signs_for_a_token_and_reads_what_it_is_installed_for(
    slept: list[float], tokens: tuple[Hub, Tokens, dict[str, Any]]
) -> None:
    github, given, config = tokens
    github.issue(github.repo(7, "acme/handbook", collaborators={1: True}), 1)
    assert scan(github, **config).names == ["7/issues/1"]
    assert "GET /installation/repositories?per_page=100" in github.asked
    fetched(github, "7/issues/1", **config)
    assert given.given == 1  # of one hour, for all that is read in it
    given.given = 2  # whatever the reason, the present one is no longer good
    assert scan(github, **config).raised is None and given.given == 3


def test_an_app_reads_a_wiki_with_the_same_token_and_renews_it_once(
    slept: list[float], tokens: tuple[Hub, Tokens, dict[str, Any]]
) -> None:
    github, given, config = tokens
    github.write(github.repo(7, "acme/handbook", collaborators={1: True}), {"Home.md": b"# Welcome"})
    assert scan(github, **config).names == ["7/wiki/Home.md"] and given.given == 1
    github.api.fail("info/refs", Reply(401))
    assert fetched(github, "7/wiki/Home.md", **config) == "# Welcome" and given.given == 2
    github.api.fail("info/refs", Reply(401), 2)
    with pytest.raises(SourceRefuses):
        connector(github, **config).fetch("7/wiki/Home.md")


def test_an_installation_that_is_gone_is_no_document_that_is_gone(
    slept: list[float], tokens: tuple[Hub, Tokens, dict[str, Any]]
) -> None:
    github, _, config = tokens
    github.repo(7, "acme/handbook")
    config["app"] |= {"installation": 35}
    with pytest.raises(SourceRefuses):
        connector(github, **config).fetch("7/issues/1")


def test_a_key_that_is_none_is_refused_and_not_repeated(key: rsa.RSAPrivateKey, github: Hub) -> None:
    curve = pem(ec.generate_private_key(ec.SECP256R1()))
    for text in ("correct-horse", curve, pem(key, b"password"), pem(key)[:-60]):
        app = {"id": 1, "installation": 2, "private_key": text}
        with pytest.raises(BadConfig) as refused:
            connector(github, token=None, app=app)
        assert refused.value.field == "config.app.private_key" and text[:40] not in str(refused.value.detail)


# -- what may be configured --


@pytest.mark.parametrize(
    ("field", "config"),
    [
        ("config.base", {"base": "ftp://github.example.org"}),
        ("config.base", {"base": "http://169.254.169.254/api/v3"}),
        ("config.base", {"base": "http://[::1]:8080/"}),
        ("config.base", {"base": "https://user:secret@github.example.org/"}),
        ("config.base", {"base": "https://github.example.org/api/v3?x=1"}),
        ("config.token", {"token": "two\nlines"}),
        ("config.repositories.0", {"repositories": ["acme"]}),
        ("config.repositories.0", {"repositories": ["acme/../../user"]}),
        ("config.organisation", {"organisation": "a/b"}),
        ("config", {"organisation": "acme"}),
        ("config", {"repositories": []}),
        ("config", {"app": {"id": 1, "installation": 2, "private_key": "x"}}),
        ("config.issuer", {"issuer": "Git Hub"}),
        ("config.public", {"public": "anyone"}),
        ("config.read.0", {"read": ["projects"]}),
        ("config.max_wiki_mb", {"max_wiki_mb": 257}),
        ("config.owners.@a", {"owners": {"@a": "nobody"}}),
        ("config.people.named", {"people": {"named": {"1": "group:hr"}}}),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_by_its_field(field: str, config: dict[str, Any]) -> None:
    whole = {"token": TOKEN, "repositories": ["acme/handbook"], "issuer": "github", **config}
    with pytest.raises(BadConfig) as refused:
        make_connector("github", whole, NOWHERE_PRIVATE)
    assert refused.value.field == field and "secret" not in refused.value.detail


def test_an_address_inside_is_not_connected_to(github: Hub, repo: Repo) -> None:
    config = {"base": github.api.url.replace("127.0.0.1", "localhost"), "token": TOKEN}
    made = make_connector("github", {**config, "organisation": "acme", "issuer": "github"}, NOWHERE_PRIVATE)
    with pytest.raises(OutboundRefused):
        list(made.scan(None))
    assert github.asked == []
