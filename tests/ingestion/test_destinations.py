"""What a link can mean, within its source and on the web."""

from __future__ import annotations

import pytest

from ingestion.destinations import MOST_BYTES, Base, destinations
from ingestion.parse import parse

PAGE = Base("filesystem", "guide/trains.md", "file:///srv/guide/trains.md")


@pytest.mark.parametrize(
    ("target", "paths"),
    [
        ("prices.md", ["guide/prices.md"]),
        ("./prices.md?raw=1#top", ["guide/prices.md"]),
        ("../rules/a%20b.md", ["rules/a b.md"]),
        ("/rules.md", ["rules.md"]),
        ("prices", [f"guide/prices{end}" for end in ("", ".md", "/index.md", "/index.html", "/README.md")]),
        ("../rules/", [f"rules/{name}" for name in ("index.md", "index.html", "README.md")]),
        ("..", ["index.md", "index.html", "README.md"]),
        ("../../etc/passwd.md", []),
        ("../..", []),
        ("#top", []),
        ("?only=query", []),
        ("mailto:a@example.org", []),
        ("C:\\rules.md", []),
        ("//host.example.org/a.md", []),
        ("a%00b.md", []),
        ("a%ff.md", []),
        ("http://[x", []),
        ("x" * (MOST_BYTES + 1) + ".md", []),
    ],
)
def test_a_relative_link_is_a_path_within_the_source(target: str, paths: list[str]) -> None:
    assert [one.path for one in destinations(PAGE, target) if one.path] == paths


@pytest.mark.parametrize(
    ("base", "target", "urls"),
    [
        (PAGE, "HTTPS://Wiki.example.org/A?b=1#c", ["https://wiki.example.org/A?b=1", "https://wiki.example.org/A?b=1#c"]),
        (PAGE, "ftp://wiki.example.org/a", []),
        (Base("web", "https://w.example.org/a/b", ""), "../c?d", ["https://w.example.org/c?d"]),
        (Base("confluence", "17", "https://w.example.org/x/17"), "18", ["https://w.example.org/x/18"]),
        (Base("sql", "17", "urn:vouch:sql:17"), "18", []),
    ],
)  # fmt: skip
def test_an_address_is_kept_with_and_without_its_fragment(base: Base, target: str, urls: list[str]) -> None:
    found = destinations(base, target)
    assert [one.url for one in found] == urls and not any(one.path for one in found)


MARKDOWN = """# A [first](h.md)

See  the [*night*  train](a.md "t") and [here](b.md), here, [again](a.md), [top](#top).

- one [two](c.md)
  - [three][x]

| a | b |
|---|---|
| [t](t.md) | 2 |

<p>Or <a href="raw.md">raw</a>, <span hidden><a href="unseen.md">unseen</a></span></p>

[x]: z.md
"""


def test_a_span_is_the_links_text_character_for_character_or_none() -> None:
    parsed = parse(MARKDOWN.encode(), "x.md")
    told = {link.target: link.span and link.span.of(parsed.text) for link in parsed.links}
    assert {target: told[target] for target in ("h.md", "a.md", "b.md", "c.md", "z.md")} == {
        "h.md": "first", "a.md": "night train", "b.md": "here", "c.md": "two", "z.md": "three"
    }  # fmt: skip
    assert told["t.md"] is None and told["raw.md"] is None and "#top" not in told
    here = next(link.span for link in parsed.links if link.target == "b.md")
    assert here is not None and parsed.text[: here.start].endswith("night train and ")
    assert type(parsed).from_json(parsed.to_json()) == parsed
