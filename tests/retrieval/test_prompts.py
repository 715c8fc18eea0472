"""Prompts under their lock: what is released never changes, and what a prompt takes is what it is given."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from retrieval.leaks import unused_word
from retrieval.prompts import ANSWER, KINDS, AnswerPrompt, kinds, prompt, render, require, template
from retrieval.prompts.__main__ import main
from retrieval.prompts.lock import FOLDER, LOCK, files, locked, require_lock
from vouch.core.errors import BadPrompt
from vouch.core.ids import sha256
from vouch.gateway.chat import Draft

RELEASED = {
    "answer.v1": "4c3e5bbcdbc0305887a1bebebab277803b3e556286292c5f19d612f41a6306d3",
    "answer.v2": "3adbf22f7244352d9744a7bccc0be22c2138055bd5b2c4d81708c6bc3e552f60",
    "mark.v1": "8e6154957cd1fa0694dde549736effa91e8114f476a9ca81223dbb13e16c3aec",
    "repair.v1": "3eb7e378a7d3c6ceae5357711be4b84d5fc711ef6491a099bd8c17e5f3e8f05e",
}
"""Written down a second time, so that a changed prompt with a changed lock is seen too. Only ever added to."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "answer.v1.md").write_text("Answer. {{canary}}\n")
    assert main(["lock", "--folder", str(tmp_path)]) == 0
    return tmp_path


def test_every_prompt_is_in_the_lock_and_as_it_was_released() -> None:
    require_lock()
    held = locked(FOLDER)
    assert set(held) == set(files(FOLDER))
    assert {version: held[version] for version in RELEASED} == RELEASED
    for version in held:
        assert sha256(prompt(version).encode()) == held[version]


def test_every_prompt_is_of_a_kind_or_a_part_of_one() -> None:
    parts = {part for kind in KINDS.values() for part in kind.ends_with}
    for version in locked(FOLDER):
        name = version.partition(".")[0]
        if version not in parts:
            require(version, name)
    assert KINDS["answer"].yields is Draft


def test_what_is_new_is_added_and_nothing_else_is_touched(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = json.loads((folder / LOCK).read_text())
    (folder / "answer.v2.md").write_text("Answer better. {{canary}}\n")
    with pytest.raises(BadPrompt, match=r"answer\.v2"):
        require_lock(folder)
    assert main(["lock", "--folder", str(folder)]) == 0
    assert "released answer.v2" in capsys.readouterr().out
    after = json.loads((folder / LOCK).read_text())
    assert {**after, **before} == after and set(after) == {"answer.v1", "answer.v2"}
    require_lock(folder)
    assert main(["lock", "--folder", str(folder)]) == 0
    assert json.loads((folder / LOCK).read_text()) == after


@pytest.mark.parametrize("change", ["another text", None])
def test_a_released_prompt_neither_changes_nor_goes(
    folder: Path, change: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    file, before = folder / "answer.v1.md", (folder / LOCK).read_text()
    file.unlink() if change is None else file.write_text(change)
    (folder / "answer.v2.md").write_text("Answer better. {{canary}}\n")
    with pytest.raises(BadPrompt, match=r"answer\.v1"):
        require_lock(folder)
    assert main(["lock", "--folder", str(folder)]) == 1
    assert "answer.v1" in capsys.readouterr().err
    assert (folder / LOCK).read_text() == before


def test_a_file_that_is_no_version_is_refused(folder: Path) -> None:
    (folder / "notes.md").write_text("x")
    with pytest.raises(BadPrompt, match=r"notes\.md"):
        require_lock(folder)


@pytest.mark.parametrize("version", ["answer.v99", "../answer.v1", "poem.v1", ""])
def test_what_is_not_released_is_no_prompt(version: str) -> None:
    with pytest.raises(BadPrompt):
        render(version, AnswerPrompt("x"))


def test_a_prompt_is_sent_whole_with_its_inputs_in_it() -> None:
    word = unused_word()
    sent = render(ANSWER, AnswerPrompt(word))
    assert sent.startswith(prompt(ANSWER)) and sent.count(word) == 1 and "{{" not in sent
    assert render(ANSWER, AnswerPrompt("{{canary}}")).count("{{canary}}") == 1  # what is put in is not read again


@dataclass(frozen=True)
class Other:
    canary: str


@pytest.mark.parametrize("given", [Other("x"), {"canary": "x"}, None])
def test_what_its_kind_does_not_take_is_refused(given: object) -> None:
    with pytest.raises(BadPrompt, match="takes AnswerPrompt"):
        render(ANSWER, given)


@pytest.mark.parametrize("text", ["No place for it.", "{{canary}} and {{user}}"])
def test_a_prompt_that_forgets_an_input_or_names_another_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "prompt", lambda _: text)
    assert template(ANSWER)
    with pytest.raises(BadPrompt, match=r"canary|user"):
        render(ANSWER, AnswerPrompt("x"))
