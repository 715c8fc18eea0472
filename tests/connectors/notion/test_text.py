"""What pages of Notion become: Markdown that keeps their form, and nothing that other people may read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ingestion.parse import markdown
from tests.connectors.notion.workspace import AT, LATER, STAFF, Workspace, error, mention, notion, text, uid
from vouch.core.errors import Unavailable


@pytest.fixture
def space() -> Iterator[Workspace]:
    with notion() as found:
        found.page("p")
        yield found


def link(name: str) -> str:
    return f"https://www.notion.so/{uid(name).replace('-', '')}"


def test_blocks_become_markdown(space: Workspace) -> None:
    def block(kind: str, said: str = "", parent: str = "p", **more: Any) -> str:
        return space.block(parent, kind, **({"rich_text": text(said)} if said else {}), **more)

    for n in (1, 2, 3):
        block(f"heading_{n}", f"Level\n{n}")
    block("paragraph", "Two\nlines", parent="p")
    block("paragraph", "indented", parent=block("paragraph", "above"))
    first = block("bulleted_list_item", "one")
    second = block("bulleted_list_item", "inner", parent=first)
    block("to_do", "deepest", parent=second, checked=True)
    block("bulleted_list_item", "two")
    block("numbered_list_item", "first")
    block("code", "x = `1`\n\ty", parent=block("numbered_list_item", "second"), language="python", caption=text("How"))
    block("to_do", "open", checked=False)
    block("paragraph", "seen when opened", parent=block("toggle", "closed"))
    block("paragraph", "under it", parent=block("heading_1", "opens", is_toggleable=True))
    block("paragraph", "and more", parent=block("quote", "said"))
    block("callout", "Mind the gap", icon={"type": "emoji", "emoji": "!"})
    block("equation", expression="a_1 = b^*")
    block("divider")
    columns = block("column_list")
    for said in ("left", "right"):
        block("paragraph", said, parent=block("column", parent=columns))
    block("table_of_contents")
    block("breadcrumb")
    block("made_up_by_notion", "kept all the same")
    assert space.body("p", "p") == BLOCKS


BLOCKS = r"""# p

## Level 1

### Level 2

#### Level 3

Two
lines

above

indented

- one
  - inner
    - [x] deepest
- two

1. first
2. second

   ```python
   x = `1`
       y
   ```

   How

- [ ] open

closed

seen when opened

## opens

under it

> said
>
> and more

> Mind the gap

$$a\_1 = b^\*$$

***

left

right

kept all the same
"""


def test_tables_have_a_head_and_cells_of_one_line(space: Workspace) -> None:
    for name, headed in (("t", True), ("u", False)):
        space.block("p", "table", name, table_width=2, has_column_header=headed)
        space.block(name, "table_row", cells=[text("a|b"), text("two\nlines")])
        space.block(name, "table_row", cells=[text("x|y", code=True)])
    assert space.body("p", "p") == (
        "# p\n\n| a\\|b | two lines |\n| --- | --- |\n| `x\\|y` |  |\n\n"
        "|  |  |\n| --- | --- |\n| a\\|b | two lines |\n| `x\\|y` |  |\n"
    )


def test_files_and_addresses_are_links_and_a_file_that_notion_keeps_is_one_to_its_block(space: Workspace) -> None:
    signed = {"url": "https://files.example.org/x?X-Amz-Signature=abc", "expiry_time": LATER}
    space.block("p", "image", "i", type="file", file=signed, caption=text("Our harbour"))
    space.block("p", "file", "f", type="file", file=signed, name="plan.pdf", caption=[])
    space.block("p", "pdf", "e", type="external", external={"url": "https://www.example.org/e.pdf"}, caption=[])
    space.block("p", "bookmark", "b", url="https://www.example.org/b", caption=text("Read this"))
    space.block("p", "embed", "m", url="https://www.example.org/m_1", caption=[])
    space.block("p", "bookmark", url="https://www.example.org/grün und weiß", caption=text("umlauts"))
    for url in ("javascript:alert(1)", "https://x/>) <b>", "", None, 7):
        space.block("p", "link_preview", url=url)
    space.objects[uid("p")]["properties"]["Files"] = {
        "type": "files",
        "files": [
            {"name": "kept.pdf", "type": "file", "file": signed},
            {"name": "far.pdf", "type": "external", "external": {"url": "https://www.example.org/far.pdf"}},
        ],
    }
    assert space.body("p", "p") == (
        "# p\n\n- Files: kept.pdf, [far.pdf](<https://www.example.org/far.pdf>)\n\n"
        f"[Our harbour](<{link('i')}>)\n\n[plan.pdf](<{link('f')}>)\n\n[pdf](<https://www.example.org/e.pdf>)\n\n"
        "[Read this](<https://www.example.org/b>)\n\n[https://www.example.org/m\\_1](<https://www.example.org/m_1>)\n\n"
        "[umlauts](<https://www.example.org/gr%C3%BCn%20und%20wei%C3%9F>)\n"
    )


def test_pages_and_databases_below_are_links_and_one_with_rules_of_its_own_is_not_named(space: Workspace) -> None:
    space.page("inner", "p", "Text of inner.")
    space.database("db", "p")
    space.page("Layoffs in May", "p")
    space.block("p", "link_to_page", type="page_id", page_id=uid("elsewhere"))
    roots = [{"id": uid("p"), "access": STAFF}, {"id": uid("Layoffs in May")}]
    body = space.connector(roots=roots).fetch(uid("p")).data.decode()
    links = (("inner", "inner"), ("db", "db"), ("page", "Layoffs in May"), ("page", "elsewhere"))
    assert body == "# p\n\n" + "\n\n".join(f"[{said}](<{link(name)}>)" for said, name in links) + "\n"


def test_properties_are_lines_and_what_comes_from_other_pages_is_left_out(space: Workspace) -> None:
    def value(kind: str, said: Any) -> dict[str, Any]:
        return {"id": "x", "type": kind, kind: said}

    elsewhere = value("rich_text", text("of another page"))
    space.objects[uid("p")]["properties"] |= {
        "Tags": value("multi_select", [{"name": "a"}, {"name": "b_c"}]),
        "Stage": value("select", {"name": "Draft"}),
        "Status": value("status", None),
        "Price": value("number", 7.5),
        "When": value("date", {"start": "2024-03-01", "end": "2024-03-04", "time_zone": None}),
        "Who": value("people", [{"object": "user", "id": uid("c"), "name": "Carol"}, {"object": "user"}]),
        "Done": value("checkbox", False),
        "Site": value("url", "https://www.example.org/"),
        "Mail": value("email", "carol@example.org"),
        "Phone": value("phone_number", "+41 44"),
        "Key": value("unique_id", {"prefix": "V", "number": 12}),
        "Sound": value("verification", {"state": "verified"}),
        "Made": value("created_time", AT),
        "Notes": value("rich_text", [*text("see ", bold=True), *text("here", href="https://www.example.org/n")]),
        "Touched": value("last_edited_time", LATER),
        "Linked": value("relation", [{"id": uid("other")}]),
        "Sum": value("rollup", {"type": "array", "array": [elsewhere]}),
        "Worked out": value("formula", {"type": "string", "string": "of another page"}),
        "New to us": value("place", {"name": "Zürich"}),
        "odd\n# name": value("number", 1),
        "Broken": "x",
    }
    assert space.body("p", "p") == PROPERTIES


PROPERTIES = r"""# p

- Done: no
- Key: V-12
- Made: 2024-03-01T09:00:00.000Z
- Mail: carol@example.org
- Notes: see [here](<https://www.example.org/n>)
- Phone: +41 44
- Price: 7.5
- Site: [https://www.example.org/](<https://www.example.org/>)
- Sound: verified
- Stage: Draft
- Tags: a, b\_c
- When: 2024-03-01 – 2024-03-04
- Who: Carol
- odd \# name: 1
"""


def test_of_a_page_that_is_mentioned_only_a_link_is_told(space: Workspace) -> None:
    space.block("p", "paragraph", rich_text=[*text("See "), *mention("page", "Layoffs in May"), *text(" now.")])
    space.objects[uid("p")]["properties"]["title"]["title"] = [*text("On "), *mention("database", "Salaries")]
    user = [{"type": "mention", "mention": {"type": "user", "user": {}}, "plain_text": "@Carol"}]
    space.block("p", "paragraph", rich_text=user)
    assert space.scan("p").documents.keys() == {"On page"}
    assert space.body("p", "p") == f"# On page\n\nSee [page](<{link('Layoffs in May')}>) now.\n\n@Carol\n"


HOSTILE = (
    "# no heading\n- no list\n1. no number\n> no quote\n| a | b |\n--- <b>x</b> [t] `c` *d* _e_\n=== &amp; ~~f~~ !"
)


def test_text_stays_text_for_whoever_reads_the_markdown(space: Workspace) -> None:
    space.block("p", "paragraph", rich_text=text(HOSTILE))
    space.block("p", "paragraph", rich_text=text("    no code\x00\x1b[0m"))
    space.block("p", "code", rich_text=text("````\n# code"), language="plain text")
    space.block("p", "paragraph", rich_text=[*text("a ` b", code=True), *text(" gone", strikethrough=True)])
    title, *blocks = markdown.read(space.body("p", "p").encode(), "p.md").blocks
    assert title.text == "p" and [block.kind for block in blocks].count("heading") == 0
    assert blocks[0].text.split() == HOSTILE.split()
    assert [block.text for block in blocks[1:]] == ["no code  [0m", "````\n# code\n", "a ` b gone"]


def test_blocks_in_the_trash_are_left_out_and_what_joins_letters_is_not(space: Workspace) -> None:
    joined = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \U0001f469\u200d\U0001f33e"
    space.block("p", "paragraph", rich_text=text(joined))
    space.block("p", "paragraph", "binned", rich_text=text("thrown away"))
    space.objects[uid("binned")]["in_trash"] = True
    assert space.body("p", "p") == f"# p\n\n{joined}\n"


def test_a_synced_copy_is_read_where_its_original_has_the_same_readers(space: Workspace) -> None:
    space.page("q", "p")
    space.block("q", "synced_block", "original", synced_from=None)
    space.block("original", "paragraph", "words", rich_text=text("Shared words."))
    space.page("inside", "original")
    space.block("p", "synced_block", "copy", synced_from={"type": "block_id", "block_id": uid("original")})
    space.block("copy", "paragraph", rich_text=text("What Notion shows in the copy."))
    first = space.scan("p")
    assert set(first.documents) == {"p", "q", "inside"}
    inside = f"[inside](<{link('inside')}>)"
    assert space.body("q", "p") == f"# q\n\nShared words.\n\n{inside}\n"
    assert space.body("p", "p") == f"# p\n\n[q](<{link('q')}>)\n\nShared words.\n\n{inside}\n"
    # The page of the original counts as edited, that of the copy does not.
    space.objects[uid("words")]["paragraph"]["rich_text"] = text("Other words.")
    space.objects[uid("q")]["last_edited_time"] = LATER
    second = space.scan("p", cursor=first.cursor)
    changed = {name for name, one in second.documents.items() if one.fingerprint != first.documents[name].fingerprint}
    assert changed == {"p", "q"}
    # By a root of its own other people may read it.
    roots = [{"id": uid("p"), "access": STAFF}, {"id": uid("q")}]
    assert space.connector(roots=roots).fetch(uid("p")).data.decode() == f"# p\n\n[page](<{link('q')}>)\n"
    space.objects[uid("original")]["in_trash"] = True
    assert "words" not in space.body("p", "p")


def test_an_original_that_is_not_there_is_nothing(space: Workspace) -> None:
    space.block("p", "synced_block", "copy", synced_from={"type": "block_id", "block_id": uid("gone")})
    space.block("copy", "paragraph", rich_text=text("What Notion shows in the copy."))
    space.block("p", "synced_block", synced_from={"type": "block_id"})
    space.block("p", "synced_block", synced_from="x")
    assert space.body("p", "p") == "# p\n" and set(space.scan("p").documents) == {"p"}


def test_synced_blocks_in_a_circle_end(space: Workspace) -> None:
    for name, other in (("one", "two"), ("two", "one")):
        space.block("p", "synced_block", name, synced_from=None)
        space.block(name, "paragraph", rich_text=text(f"In {name}."))
        space.block(name, "synced_block", synced_from={"type": "block_id", "block_id": uid(other)})
    assert space.body("p", "p") == "# p\n\nIn one.\n\nIn two.\n\nIn one.\n\nIn two.\n\nIn one.\n\nIn two.\n"
    assert set(space.scan("p").documents) == {"p"}


def test_a_block_that_notion_does_not_tell_is_left_out_and_looked_for_again(space: Workspace) -> None:
    space.block("p", "unsupported", "ai", block_type="ai_block")
    space.block("ai", "paragraph", rich_text=text("not to be had"))
    space.block("p", "toggle", "t", rich_text=text("A toggle"))
    space.page("inside", "t")
    space.api.fail(f"/blocks/{uid('t')}/children", error(404, "object_not_found"))
    first = space.scan("p")
    assert set(first.documents) == {"p"}  # the toggle was not there
    assert set(space.scan("p", cursor=first.cursor).documents) == {"p", "inside"}
    assert space.body("p", "p").startswith("# p\n\nA toggle\n\n[inside]")


def test_a_page_of_nothing_is_a_title(space: Workspace) -> None:
    space.objects[uid("p")]["properties"] = {"title": {"type": "title", "title": []}}
    assert space.body("p", "p") == "\n"
    space.objects[uid("p")]["properties"] = None
    assert space.scan("p").changes[0].external_id == uid("p")  # type: ignore[union-attr]
    space.objects[uid("p")]["last_edited_time"] = None
    with pytest.raises(Unavailable):
        space.scan("p")
