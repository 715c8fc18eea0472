"""What a model outside is sent, and that whatever it makes of placeholders is refused and never wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from vouch.core.errors import BadConfig, ModelWithheld
from vouch.core.settings import Settings
from vouch.gateway.chat import (
    ChatReply,
    ChatUsage,
    Draft,
    DraftCitation,
    DraftClaim,
    DraftRequest,
    Hear,
    PassageText,
)
from vouch.gateway.model_file import ModelSpec, read_models
from vouch.gateway.privacy.chat import ConfinedChat, confine
from vouch.gateway.privacy.kinds import KINDS, SECRETS
from vouch.gateway.privacy.mask import Masking
from vouch.gateway.privacy.policy import Policy, is_inside

MASK = Policy.parse("mask", field="privacy")
ANN, BOB = "ann@example.org", "bob@example.org"
PASSWORD = "Tr0ub4dor&3"
REQUEST = DraftRequest(
    f"What is the phone number of {ANN}?",
    (
        PassageText("1", f"Contacts of {ANN}", f"Write to {ANN} or {BOB}. Ann's mobile: 0489 25 37 29.", "p. 1"),
        PassageText("2", "Wi-Fi", f"The guest password is {PASSWORD}. Ann answers at {ANN}, as {ANN} does.", ""),
    ),
    "Answer.",
)
HIDDEN = (ANN, BOB, PASSWORD, "0489 25 37 29")
_ISSUED = re.compile(r"\[[A-Z_]+-\d+-[a-z]{6}\]")


@dataclass
class Scripted:
    """A model that says what ``speak`` makes of the request that it was sent."""

    speak: Callable[[DraftRequest], list[tuple[str, str, str]]]
    name: str = "scripted"
    seen: list[DraftRequest] = field(default_factory=list)

    def write(self, request: DraftRequest, timeout_s: float, hear: Hear | None = None) -> ChatReply:
        self.seen.append(request)
        claims = tuple(
            DraftClaim(text, (DraftCitation(passage, quote),)) for text, passage, quote in self.speak(request)
        )
        return ChatReply(Draft(claims, not claims), self.name, ChatUsage(1, 1, 1))


def told(speak: Callable[[DraftRequest], list[tuple[str, str, str]]], request: DraftRequest = REQUEST) -> ChatReply:
    return ConfinedChat(Scripted(speak), MASK).write(request, 20)


def sent(request: DraftRequest = REQUEST, policy: Policy = MASK) -> DraftRequest:
    model = Scripted(lambda _: [])
    ConfinedChat(model, policy).write(request, 20)
    return model.seen[0]


def whole(request: DraftRequest) -> str:
    return "\n".join((request.question, *(f"{p.title}\n{p.text}\n{p.place}" for p in request.passages)))


# --- what leaves -----------------------------------------------------------------------------------


def test_nothing_that_is_masked_leaves_and_all_else_does() -> None:
    seen = sent()
    assert not [value for value in HIDDEN if value in repr(seen)]
    assert _ISSUED.sub("…", whole(seen)) == re.sub("|".join(map(re.escape, HIDDEN)), "…", whole(REQUEST))
    assert [one.id for one in seen.passages] == ["1", "2"]


def test_a_value_has_one_placeholder_everywhere_in_a_request_and_another_in_the_next() -> None:
    first, second = sent(), sent()
    mail = _ISSUED.findall(first.question)[0]
    assert whole(first).count(mail) == whole(REQUEST).count(ANN)
    assert len(set(_ISSUED.findall(whole(first)))) == len(HIDDEN)
    assert mail not in whole(second)


def test_a_value_is_masked_where_nothing_says_what_it_is_too() -> None:
    number = "6940579"
    texts = (f"Her driver's license number is {number}.", f"| Ann | {number} |", f"{number}0 and x{number}", "694057")
    masking = Masking(texts, MASK)
    assert masking.counts == {"document_number": 1}
    assert number not in re.sub(rf"\w{number}|{number}\w", "", " ".join(masking.masked))
    assert masking.masked[3] == "694057"


def test_the_model_is_told_of_placeholders_only_where_there_are_some() -> None:
    assert "# Placeholders" in sent().system_prompt
    plain = DraftRequest("How long is leave?", (PassageText("1", "Leave", "Leave is 20 days."),), "Answer.")
    assert sent(plain) == plain


def test_placeholders_collide_with_nothing_that_was_there(monkeypatch: pytest.MonkeyPatch) -> None:
    letters = iter("bcdfgh" + "bcdfgh" + "jklmnp")
    monkeypatch.setattr("vouch.gateway.privacy.mask.secrets.choice", lambda _: next(letters))
    masking = Masking((f"[EMAIL-1-BCDFGH] is not {ANN}",), MASK)
    assert masking.nonce == "jklmnp"
    assert masking.masked == ["[EMAIL-1-BCDFGH] is not [EMAIL-1-jklmnp]"]
    assert masking.restore(masking.masked[0]) == f"[EMAIL-1-BCDFGH] is not {ANN}"


# --- what comes back --------------------------------------------------------------------------------


def test_quotes_and_claims_come_back_as_the_documents_have_them() -> None:
    reply = told(lambda r: [(p.text, p.id, p.text) for p in r.passages])
    assert [claim.text for claim in reply.draft.claims] == [p.text for p in REQUEST.passages]
    assert [c.quote for claim in reply.draft.claims for c in claim.citations] == [p.text for p in REQUEST.passages]
    assert reply.masked == {"email": 2, "phone": 1, "password": 1}


MANGLED: dict[str, Callable[[str], str]] = {
    "without its letters": lambda text: re.sub(r"-[a-z]{6}\]", "]", text),
    "without its brackets": lambda text: re.sub(r"[\[\]]", "", text),
    "in small letters": str.lower,
    "with another number": lambda text: re.sub(r"-(\d)-", "-9-", text),
    "cut": lambda text: text[: text.index("]")],
    "spaced": lambda text: re.sub(r"([A-Z]+)-(\d)-[a-z]{6}", r"\1 \2", text),
    "turned": lambda text: re.sub(r"-(\d)-([a-z]{6})", r"-\2-\1", text),
}


@pytest.mark.parametrize("how", MANGLED)
def test_a_mangled_placeholder_leaves_a_quote_that_is_in_no_document_and_a_claim_without_citation(how: str) -> None:
    mangle = MANGLED[how]
    reply = told(lambda r: [(mangle(r.passages[0].text), "1", r.passages[0].text)])
    assert reply.draft.claims[0].citations == ()
    reply = told(lambda r: [("Ann has a phone.", "1", mangle(r.passages[0].text))])
    quote = reply.draft.claims[0].citations[0].quote
    assert not any(quote in passage.text for passage in REQUEST.passages)
    assert not [value for value in HIDDEN if value in quote] or how == "cut"


def test_a_claim_says_no_value_that_its_own_quotes_do_not_hold() -> None:
    """A model that swaps two placeholders would otherwise name the wrong person in a sentence that looks supported."""

    def swapped(request: DraftRequest) -> list[tuple[str, str, str]]:
        ann, bob = list(dict.fromkeys(_ISSUED.findall(request.passages[0].text)))[:2]
        return [(f"Write to {bob}.", "1", f"Write to {ann}"), (f"Write to {ann}.", "1", f"Write to {ann}")]

    wrong, right = told(swapped).draft.claims
    assert wrong.citations == ()
    assert (right.text, right.citations[0].quote) == (f"Write to {ANN}.", f"Write to {ANN}")


def test_a_quote_that_is_in_no_passage_holds_no_value() -> None:
    """Verification drops such a quote and keeps the claim for another that is true."""

    @dataclass
    class Embroidering(Scripted):
        def write(self, request: DraftRequest, timeout_s: float, hear: Hear | None = None) -> ChatReply:
            ann, bob = list(dict.fromkeys(_ISSUED.findall(request.passages[0].text)))[:2]
            quotes = (DraftCitation("1", f"Write to {ann}"), DraftCitation("1", f"Always write to {bob}"))
            return ChatReply(Draft((DraftClaim(f"Write to {bob}.", quotes),), False), self.name, ChatUsage(1, 1, 1))

    reply = ConfinedChat(Embroidering(lambda _: []), MASK).write(REQUEST, 20)
    assert reply.draft.claims[0].citations == ()


def test_words_of_a_document_that_look_like_a_placeholder_stay() -> None:
    text = f"Use PHONE-2 or EMAIL 1 in templates; {ANN} keeps them, tel. 0489 25 37 29."
    request = DraftRequest("Which?", (PassageText("1", "Templates", text),), "Answer.")
    reply = told(lambda r: [(r.passages[0].text, "1", r.passages[0].text)], request)
    assert (reply.draft.claims[0].text, reply.draft.claims[0].citations[0].quote) == (text, text)


# --- the policy ------------------------------------------------------------------------------------


def test_a_kind_may_be_allowed_or_refused() -> None:
    allowing = Policy.parse("mask, email=allow", field="privacy")
    assert ANN in whole(sent(policy=allowing)) and PASSWORD not in whole(sent(policy=allowing))
    model = Scripted(lambda _: [])
    with pytest.raises(ModelWithheld) as withheld:
        ConfinedChat(model, Policy.parse("mask, secrets=refuse", field="privacy")).write(REQUEST, 20)
    assert model.seen == []
    assert "password" in str(withheld.value) and PASSWORD not in str(withheld.value)


def test_later_entries_of_a_policy_go_over_earlier_ones() -> None:
    policy = Policy.parse("allow, secrets=refuse, password = mask,", field="privacy")
    assert policy.masked == {"password"}
    assert policy.refused == set(SECRETS) - {"password"}
    assert Policy.parse("mask", field="privacy").masked == set(KINDS)


@pytest.mark.parametrize("text", ["", "email=mask", "hide", "mask,mail=allow", "mask,email=hide", "mask,=allow"])
def test_a_policy_that_cannot_be_followed_names_its_setting(text: str) -> None:
    with pytest.raises(BadConfig) as refused:
        Policy.parse(text, field="privacy")
    assert refused.value.field == "privacy"


@pytest.mark.parametrize(
    ("url", "inside", "is_so"),
    [
        ("http://127.0.0.1:8000/v1", "loopback", True),
        ("http://localhost/v1", "loopback", True),
        ("http://[::1]:8000/v1", "loopback", True),
        ("http://127.0.0.1:8000/v1", "", False),
        ("https://llm.example.org/v1", "loopback", False),
        ("https://LLM.intranet.example/v1", "loopback, llm.intranet.example", True),
        ("https://x.llm.intranet.example/v1", "llm.intranet.example", False),
        ("https://localhost.example.org/v1", "loopback", False),
        ("http://10.20.3.4/v1", "10.20.0.0/16", True),
        ("http://10.21.3.4/v1", "10.20.0.0/16,10.21.3.5", False),
        ("http://2130706433/v1", "loopback", False),
    ],
)
def test_what_is_inside_is_named_by_the_operator(url: str, inside: str, is_so: bool) -> None:
    assert is_inside(url, inside, field="privacy_inside") is is_so


@pytest.mark.parametrize("inside", ["10.20.0.0/8", "300.1.2.3", "a b", "https://llm.example.org"])
def test_an_inside_that_is_no_place_names_its_setting(inside: str) -> None:
    with pytest.raises(BadConfig) as refused:
        is_inside("http://127.0.0.1", inside, field="privacy_inside")
    assert refused.value.field == "privacy_inside"


def test_a_model_is_confined_unless_it_is_inside_or_everything_is_allowed() -> None:
    given = {"chat_url": "https://llm.example.org/v1", "chat_model": "some-model"}
    own = Scripted(lambda _: [])

    def confined(**more: object) -> bool:
        settings = Settings.model_validate(given | more)
        file = read_models(settings)
        assert file is not None
        return confine(own, file.models["some-model"], settings) is not own

    assert confined()
    for more in ({"privacy": "allow"}, {"privacy_inside": "llm.example.org"}, {"chat_url": "http://127.0.0.1:1/v1"}):
        assert not confined(**more)
    with pytest.raises(BadConfig):
        confined(privacy="hide")
    vendors = ModelSpec(provider="bedrock", model="m", region="eu-central-1")
    assert confine(own, vendors, Settings()) is not own
    assert confine(own, vendors.model_copy(update={"inside": True}), Settings()) is own
