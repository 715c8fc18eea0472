"""A system's API on loopback that fails in every way it can: what is not whole is asked for again, or raises."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from connectors.pace import Pace
from connectors.rest import TRIES, Rest, ShortToken, Token, address_of
from tests.connectors.api import LOOPBACK, Api, Request, answering, as_json, truncated
from tests.outbound.serving import Reply, serving
from vouch.core.errors import BadConfig, DocumentRejected, NotFound, OutboundRefused, SourceRefuses, Unavailable
from vouch.outbound.door import NOWHERE_PRIVATE, Answer


class Clock:
    """Time that passes only by waiting."""

    def __init__(self) -> None:
        self.now, self.slept = 0.0, list[float]()
        self.pace = Pace(lambda: self.now, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api(authorization="Bearer right")
    api.route("GET", "/v1/items")(lambda request: {"page": request.query.get("page", "1")})
    with answering(api):
        yield api


@pytest.fixture
def rest(api: Api, clock: Clock) -> Rest:
    return Rest(LOOPBACK, f"{api.url}/v1", Token("Bearer right"), pace=clock.pace)


def test_parameters_are_written_safely_and_none_is_left_out(rest: Rest, api: Api) -> None:
    assert rest.get("items", {"page": "a&b=ü", "gone": None}).data == {"page": "a&b=ü"}
    assert api.asked[0].path == "/v1/items?page=a%26b%3D%C3%BC"


@pytest.mark.parametrize(
    "reply",
    [Reply(500), Reply(502), Reply(429), Reply(408), truncated({"a": "b" * 50}), Reply(200, b"<html>")],
    ids=str,
)
def test_a_failure_that_passes_is_waited_for(rest: Rest, api: Api, clock: Clock, reply: Reply) -> None:
    api.fail("/items", reply, times=TRIES - 1)
    assert rest.get("items").data == {"page": "1"}
    assert clock.slept == pytest.approx([1, 2, 4])


def test_a_failure_that_lasts_is_told(rest: Rest, api: Api) -> None:
    api.fail("/items", Reply(503), times=99)
    with pytest.raises(Unavailable, match="503"):
        rest.get("items")
    assert len(api.asked) == TRIES


def test_the_host_is_left_alone_for_as_long_as_it_says(rest: Rest, api: Api, clock: Clock) -> None:
    api.fail("/items", Reply(429, b"", {"Retry-After": "7"}))
    rest.get("items")
    assert clock.slept == pytest.approx([7])


def test_a_long_pause_is_not_sat_out_and_not_disturbed(rest: Rest, api: Api, clock: Clock) -> None:
    api.fail("/items", Reply(429, b"", {"Retry-After": "3600"}))
    with pytest.raises(Unavailable) as told:
        rest.get("items")
    assert told.value.extra["retry_after_s"] == 3600
    with pytest.raises(Unavailable) as told:  # whoever comes meanwhile hears the same
        rest.get("items")
    assert told.value.extra["retry_after_s"] == 3600
    assert len(api.asked) == 1 and clock.slept == []


def test_a_refusal_that_asks_for_patience_is_one_only_where_the_connector_says_so(api: Api, clock: Clock) -> None:
    def pause(answer: Answer) -> float | None:
        return 5.0 if answer.headers.get("x-left") == "0" else None

    rest = Rest(LOOPBACK, f"{api.url}/v1", Token("Bearer right"), pace=clock.pace, pause=pause)
    api.fail("/items", Reply(403, b"", {"X-Left": "0"}))
    assert rest.get("items").status == 200 and clock.slept == pytest.approx([5])
    api.fail("/items", Reply(403))
    with pytest.raises(SourceRefuses) as told:
        rest.get("items")
    assert told.value.said == 403


@pytest.mark.parametrize(
    ("status", "error"), [(404, NotFound), (410, NotFound), (400, SourceRefuses), (302, SourceRefuses)]
)
def test_other_answers_raise_unless_they_are_awaited(rest: Rest, api: Api, status: int, error: type[Exception]) -> None:
    api.fail("/items", Reply(status, b"", {"Location": "/v1/elsewhere"}), times=2)
    with pytest.raises(error):
        rest.get("items")
    assert rest.get("items", accept=(status,)).status == status


def test_a_credential_that_is_refused_is_told_at_once(api: Api, clock: Clock) -> None:
    with pytest.raises(SourceRefuses, match="credential"):
        Rest(LOOPBACK, f"{api.url}/v1", Token("Bearer wrong"), pace=clock.pace).get("items")
    assert len(api.asked) == 1


def test_a_short_token_is_renewed_when_it_ends_and_once_when_it_is_refused(api: Api, clock: Clock) -> None:
    tokens = ["right", "late", "right", "wrong", "wrong"]
    rest = Rest(
        LOOPBACK, f"{api.url}/v1", ShortToken(lambda: (tokens.pop(0), 600.0), clock.pace), pace=clock.pace
    )  # fmt: skip
    rest.get("items")
    rest.get("items")
    assert len(tokens) == 4, "one token serves until it ends"
    clock.now += 541
    assert rest.get("items").status == 200, "the late one is refused, the next is right"
    assert len(tokens) == 2
    clock.now += 541
    with pytest.raises(SourceRefuses):
        rest.get("items")
    assert tokens == []


def test_pages_follow_links_of_the_origin_to_their_end(rest: Rest, api: Api) -> None:
    def page(request: Request) -> Reply:
        n = int(request.query.get("n", "1"))
        more = {"Link": f'<{api.url}/v1/list?n={n + 1}>; rel="next", <{api.url}/x>; rel="last"'} if n < 3 else {}
        return as_json([n], headers=more)

    api.route("GET", "/v1/list")(page)
    assert [reply.data for reply in rest.pages("list")] == [[1], [2], [3]]


def test_pages_that_go_in_a_circle_raise(rest: Rest, api: Api) -> None:
    api.route("GET", "/v1/list")(lambda request: as_json([], headers={"Link": f'<{api.url}/v1/list>; rel="next"'}))
    with pytest.raises(Unavailable, match="do not end"):
        list(rest.pages("list"))


def test_nothing_leads_the_credential_to_another_origin(rest: Rest, api: Api) -> None:
    with serving(lambda asked: Reply(200, b"bytes")) as other:
        with pytest.raises(SourceRefuses, match="another host"):
            rest.get(f"{other.url}/v1/items")
        api.fail("/items", Reply(302, b"", {"Location": f"{other.url}/stolen"}), times=2)
        with pytest.raises(SourceRefuses):
            rest.get("items")
        assert other.asked == []
        assert rest.download("items", 1000).body == b"bytes"
        assert rest.download(f"{other.url}/file", 1000).body == b"bytes"
        assert len(other.asked) == 2 and all("authorization" not in asked.headers for asked in other.asked)


def test_a_download_past_its_bound_is_rejected(rest: Rest, api: Api) -> None:
    api.route("GET", "/v1/file")(lambda request: Reply(200, b"x" * 2000))
    with pytest.raises(DocumentRejected) as told:
        rest.download("file", 1999)
    assert told.value.reason == "too_large"
    assert len(rest.download("file", 2000).body) == 2000


def test_a_blocked_address_is_refused_without_a_connection(api: Api, clock: Clock) -> None:
    with pytest.raises(OutboundRefused):
        Rest(NOWHERE_PRIVATE, f"{api.url}/v1", Token(None), pace=clock.pace).get("items")
    assert api.asked == []


@pytest.mark.parametrize(
    "make",
    [
        lambda: address_of("http://127.0.0.1/api", "base", NOWHERE_PRIVATE),
        lambda: address_of("ftp://api.example.org", "base", LOOPBACK),
        lambda: address_of("https://api.example.org/?x=1", "base", LOOPBACK),
        lambda: Token("two\nlines"),
        lambda: Token(""),
    ],
    ids=["blocked", "scheme", "query", "line break", "empty"],
)
def test_a_configuration_that_cannot_work_is_refused_and_no_secret_repeated(make: Callable[[], object]) -> None:
    with pytest.raises(BadConfig) as told:
        make()
    assert told.value.field in ("config.base", "config.token") and "lines" not in told.value.detail
