"""BM25 vectors: the same everywhere, and what they forgive."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vouch.index import words
from vouch.index.lexical import ANALYSES, AVERAGE_LENGTH, B, K, analysis_named, document_vector, query_vector

TEXT = "The retention period of payroll records is seven years; naïve cafés keep receipts for ten."


def test_every_process_makes_the_same_vectors() -> None:
    program = (
        "import json, sys; from vouch.index.lexical import document_vector, query_vector; "
        "text = sys.argv[1]; d, q = document_vector(text), query_vector(text); "
        "print(json.dumps([d.indices, d.values, q.indices, q.values]))"
    )
    command = [sys.executable, "-c", program, TEXT]
    found = [json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout) for _ in range(2)]
    document, query = document_vector(TEXT), query_vector(TEXT)
    here = [list(part) for part in (document.indices, document.values, query.indices, query.values)]
    assert found == [here, here]


def test_a_known_vector() -> None:
    """Term ids are stored in every index: a release of the engine that changes them must not pass unseen."""
    assert analysis_named("english.v1").query("payroll").indices == (328663467,)
    assert document_vector("payroll", "en").indices == (4187093932,)


@pytest.mark.parametrize(("name", "k"), [("english.v1", K), ("german.v1", K), ("words.v2", 1.5)])
def test_weights_are_those_of_bm25(name: str, k: float) -> None:
    analysis = analysis_named(name)
    once, twice = analysis.document("budget", "en"), analysis.document("budget budget", "en")
    for vector, times in ((once, 1), (twice, 2)):
        expected = times * (k + 1) / (times + k * (1 - B + B * times / AVERAGE_LENGTH))
        assert len(vector.values) == 1
        assert abs(vector.values[0] - expected) < 1e-5
    assert set(analysis.query("budget budget").values) == {1.0}


@pytest.mark.parametrize("name", ANALYSES)
def test_stop_words_alone_make_an_empty_vector(name: str) -> None:
    for text in ("", "   ", "?!"):
        assert not analysis_named(name).query(text)
        assert not analysis_named(name).document(text)
    stop_words = "der die das" if name == "german.v1" else "the of and"
    assert not analysis_named(name).query(stop_words)
    assert not analysis_named(name).document(stop_words)


def test_endings_case_and_accents_do_not_matter() -> None:
    assert analysis_named("english.v1").query("Running CAFÉS") == analysis_named("english.v1").query("runs cafe")
    assert document_vector("Running CAFÉS", "en") == document_vector("runs cafe", "en")


def finds(query: str, text: str, language: str) -> bool:
    return not set(query_vector(query).indices).isdisjoint(document_vector(text, language).indices)


@pytest.mark.parametrize(
    ("query", "text", "language"),
    [
        ("Kündigungsfrist", "Die Kündigungsfristen stehen im Vertrag.", "de"),
        ("Wie viele Urlaubstage habe ich?", "Der Urlaubstag vor dem Fest ist frei.", "de"),
        ("kundigungsfristen", "Die Kündigungsfrist beträgt drei Monate.", "de"),
        ("¿cuáles son las organizaciones?", "Cada organización tiene un presupuesto.", "es"),
        ("организации", "Это организация из Москвы", "ru"),
        ("最低工资", "员工的最低工资是多少", "zh"),
        ("休暇申請", "有給の休暇申請について", "ja"),
        ("휴가 신청", "연차휴가신청서를 제출", "ko"),
        ("wersja umowy", "Nowa wersja obowiązuje", "pl"),
        ("err-conn-4521", "The log says ERR_CONN_4521.", "en"),
        ("4521", "The log says ERR_CONN-4521.", "en"),
        ("getuserbyid", "Call getUserById(7).", "en"),
        ("user", "Call getUserById(7).", "en"),
        ("v1.2.3", "Fixed in v1.2.3.", "und"),
        ("Python", "使用Python编程", "zh"),
        ("Müller", "A letter by Mr Muller", "en"),
    ],
)
def test_a_question_finds_what_is_meant_whatever_language_it_is_in(query: str, text: str, language: str) -> None:
    assert finds(query, text, language)


def test_a_language_s_stop_words_find_nothing_in_its_documents() -> None:
    assert not finds("die", "Die Frist endet", "de")
    assert finds("die", "They die hard", "en")


def test_a_name_as_a_whole_is_told_from_its_parts_elsewhere() -> None:
    query = query_vector("v1.2.3").indices
    near, far = document_vector("v1.2.3", "en"), document_vector("v1.3.2", "en")
    assert len(set(query) & set(near.indices)) > len(set(query) & set(far.indices))


def test_of_scripts_without_spaces_pairs_are_terms() -> None:
    assert words.terms("最低工资", "zh") == words.terms("最低 低工 工资", "zh")
    assert len(words.terms("税", "zh")) == 1


LANGUAGES = st.sampled_from(["", "und", "zh", "pl", *words.STEMMED])


@pytest.mark.parametrize("name", ANALYSES)
@given(text=st.text(max_size=300), language=LANGUAGES)
def test_any_text_gives_ascending_terms(name: str, text: str, language: str) -> None:
    for vector in (analysis_named(name).document(text, language), analysis_named(name).query(text)):
        assert list(vector.indices) == sorted(set(vector.indices))
        assert all(0 <= term < 2**32 for term in vector.indices)
        assert all(value > 0 for value in vector.values)


@given(text=st.text(max_size=300))
def test_of_one_language_a_text_is_found_by_all_its_terms(text: str) -> None:
    english = analysis_named("english.v1")
    assert english.document(text).indices == english.query(text).indices


@given(text=st.text(max_size=100), language=LANGUAGES)
def test_a_text_is_found_by_its_own_words(text: str, language: str) -> None:
    """Whatever the language: where the terms of a text promise to find every text that holds it, they do."""
    sure = words.sure_terms(text)
    assert not sure or not set(sure).isdisjoint(words.terms(text, language))


SOME = ("die", "hard", "war", "Häuser", "naïve", "mas", "über", "café", "running", "no", "a")
WORDS = st.lists(st.sampled_from(SOME), min_size=1, max_size=4)


@given(said=WORDS, around=WORDS, language=LANGUAGES)
def test_sure_terms_find_a_phrase_typed_without_accents_in_any_language(
    said: list[str], around: list[str], language: str
) -> None:
    sure = words.sure_terms(" ".join(said))
    text = " ".join([*around, *said, *around])
    assert not sure or not set(sure).isdisjoint(words.terms(text, language))
