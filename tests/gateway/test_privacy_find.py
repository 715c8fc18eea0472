"""Personal data and secrets in text: what is found, what is left alone, and that no text makes finding slow."""

from __future__ import annotations

import random
import string
import subprocess
import sys
import uuid

import pytest

from vouch.core.types import Span
from vouch.gateway.privacy.find import find
from vouch.gateway.privacy.kinds import PERSONAL, SECRETS, Found, disjoint

# No test spells a token out: whoever scans repositories for leaked ones would take it for real.
LETTERS = string.ascii_letters + string.digits
_CHANCE = random.Random(6)


def letters(n: int, of: str = LETTERS) -> str:
    return "".join(_CHANCE.choice(of) for _ in range(n))


def held(text: str) -> list[tuple[str, str]]:
    return [(one.kind, one.span.of(text)) for one in find(text)]


PERSON = {
    "Write to ann.lee+hr@mail.example.org, please.": ("email", "ann.lee+hr@mail.example.org"),
    "Write to ann@corp.intranet.": ("email", "ann@corp.intranet"),
    "Ring me on 0489 25 37 29 tonight": ("phone", "0489 25 37 29"),
    "It is +46 (0)157 548 89, I think": ("phone", "+46 (0)157 548 89"),
    "Telefon: 60-56-85-91": ("phone", "60-56-85-91"),
    "416 60 039 office": ("phone", "416 60 039"),
    "Charge 4111 1111 1111 1111 now": ("card", "4111 1111 1111 1111"),
    "Charge 2223003122003222 now": ("card", "2223003122003222"),
    "Pay to DE89 3704 0044 0532 0130 00.": ("iban", "DE89 3704 0044 0532 0130 00"),
    "The host 192.0.2.17 is down": ("ip", "192.0.2.17"),
    "The host 2001:db8::17 is down": ("ip", "2001:db8::17"),
    "SSN 536-90-4399": ("national_id", "536-90-4399"),
    "Her NINO is AB123456C.": ("national_id", "AB123456C"),
    "PESEL 44051401359": ("national_id", "44051401359"),
    "Codice fiscale RSSMRA85T10A562S": ("national_id", "RSSMRA85T10A562S"),
    "PAN ABCPE1234F": ("national_id", "ABCPE1234F"),
    "She was born on 3 May 1971 in Bern": ("date_of_birth", "3 May 1971"),
    "Geburtsdatum: 03.05.1971": ("date_of_birth", "03.05.1971"),
    "passport number: C01X00T47": ("document_number", "C01X00T47"),
    "He lives at 69 Farnell Street, LOOMBAH": ("address", "69 Farnell Street"),
    "Lieferung an Brucker Bundesstrasse 31": ("address", "Bundesstrasse 31"),
    "Visit 12 rue de la Paix": ("address", "12 rue de la Paix"),
}


@pytest.mark.parametrize("text", PERSON)
def test_personal_data_is_found_where_it_stands(text: str) -> None:
    kind, value = PERSON[text]
    assert [(k, v) for k, v in held(text) if k == kind and value in v], held(text)


NOTHING = (
    "On 2021-03-04 we sold 1 200 000 units for 374 780 163 EUR in 2019.",
    "Version 2.10.4 of 2024 took 16 minutes; see section 4.1.2 and page 1024.",
    "The meeting is on 3 May 2024, and the release on 03.05.2024.",
    "Order 4111111111111112 was filed as 44051401359.",  # a check digit that fails, and no word for one that holds
    f"Commit {'0a1b2c3d4e' * 4} of {uuid.UUID(int=7 << 100)} is deployed.",
    "The password is expired; set a new one. Password: required. token = ${TOKEN}; api_key: <your key>",
    "See https://docs.example.org/d/1pJiaUFkKcRmEf9jfMjniHfyu6xsV1WQk/edit and getUserDefinedFiltersForTheTenant()",
    "-----BEGIN PUBLIC KEY----- is how a public key begins.",
    "Run `git clone https://example.org/a/b.git` and use module@v1.1.5.",
)


@pytest.mark.parametrize("text", NOTHING)
def test_other_numbers_and_words_are_left_alone(text: str) -> None:
    assert held(text) == []


def made() -> dict[str, tuple[str, str, str]]:
    """Kind → before, secret, after."""
    pem = f"-----BEGIN {'RSA'} PRIVATE KEY-----\n{letters(64)}\n{letters(64)}\n-----END {'RSA'} PRIVATE KEY-----"
    return {
        "private_key": ("Here:\n", pem, "\nThat was it."),
        "private_key, cut": ("Here:\n", pem[:100], ""),
        "token, cloud": ("The id is ", "AKIA" + letters(16, string.ascii_uppercase + string.digits), " for now"),
        "token, forge": ("use ", "gh" + "p_" + letters(36), "."),
        "token, chat": ("use ", "xox" + "b-" + letters(12, string.digits) + "-" + letters(24), "."),
        "token, model": ("use ", "sk" + "-proj-" + letters(48), "."),
        "token, jwt": ("Cookie: ", f"eyJ{letters(20)}.eyJ{letters(40)}.{letters(43)}", " expires"),
        "credentials, url": ("psql postgresql://", f"app:{letters(12)}", "@db.example.org/app"),
        "credentials, string": ("Server=db;Password=", letters(14), ";Timeout=3"),
        "password": ("the admin password is ", "Tr0ub4dor&3", ", do not share"),
        "password, quoted": ('"api_key": "', letters(20), '"'),
        "key": ("we found ", letters(40), " in a log"),
        "key, hexadecimal": ("signing key: ", letters(64, "0123456789abcdef"), " (old)"),
    }


MADE = made()


@pytest.mark.parametrize("name", MADE)
def test_secrets_are_found_whole(name: str) -> None:
    before, secret, after = MADE[name]
    text = before + secret + after
    covered = [one.span for one in find(text, SECRETS)]
    assert len(covered) == 1
    assert covered[0].start <= len(before) and covered[0].end >= len(before) + len(secret)
    assert covered[0].end - covered[0].start <= len(secret) + 12
    if not name.startswith(("key", "password")):
        assert find(text, SECRETS)[0].kind == name.partition(",")[0]


def test_only_what_is_asked_for_is_found() -> None:
    text = "ann@example.org, password: Tr0ub4dor&3"
    assert {one.kind for one in find(text)} == {"email", "password"}
    assert {one.kind for one in find(text, SECRETS)} == {"password"}
    assert {one.kind for one in find(text, PERSONAL)} == {"email"}


def test_what_overlaps_becomes_one_span_over_all_of_it() -> None:
    found = [Found("phone", Span(4, 9), 0.5), Found("card", Span(0, 6), 0.9), Found("email", Span(9, 12), 0.5)]
    assert disjoint(found) == (Found("card", Span(0, 9), 0.9), Found("email", Span(9, 12), 0.5))


HOSTILE = (
    *(
        "1",
        "1 ",
        "1-",
        "(1",
        "a:",
        "a.b",
        "a@b-",
        "AB12 ",
        "-----BEGIN PRIVATE KEY-----",
        "password=",
        "token ",
        "Aa1b/",
    ),
    *("12 Aa ", "Rue A ", "a://", "a://x:y", "born 1/1/1", "passport no is is ", "xoxb-aaaa", "eyJaaaaaaaaa.", "A"),
)


def test_no_text_holds_the_search_up() -> None:
    """All of them take a second of CPU; what runs back and forth over one of them would need more than ten."""
    code = (
        "import resource, sys\n"
        "from vouch.gateway.privacy.find import find\n"
        "find('warm')\n"
        "spent = int(resource.getrusage(resource.RUSAGE_SELF).ru_utime)\n"
        "resource.setrlimit(resource.RLIMIT_CPU, (spent + 15, spent + 15))\n"
        f"for part in {HOSTILE!r}: find(part * (24_000 // len(part)))\n"
        "print('done')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("done", 0), done.stderr


def test_neither_torch_nor_a_download_is_needed() -> None:
    """In a process of its own, where nothing is imported yet, and any connection is refused (pytest-socket's rule)."""
    code = (
        "import socket, sys\n"
        "def refuse(*_): raise SystemExit('a connection was tried')\n"
        "socket.socket.connect = refuse; socket.getaddrinfo = refuse\n"
        "from vouch.gateway.privacy.find import find\n"
        "assert 'presidio_analyzer' not in sys.modules and 'spacy' not in sys.modules\n"
        "assert [f.kind for f in find('ann@example.org 192.0.2.17')] == ['email', 'ip']\n"
        "print(sorted({'torch', 'transformers', 'stanza'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
