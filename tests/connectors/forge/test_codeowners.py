"""``CODEOWNERS``: which pattern stands for which path."""

from __future__ import annotations

import pytest

from connectors.forge.codeowners import CodeOwners


@pytest.mark.parametrize(
    ("pattern", "fits", "does_not"),
    [
        ("*", ["a", "a/b/c.md"], []),
        ("*.md", ["a.md", "x/y/a.md"], ["a.md.txt", "md"]),
        ("/a.md", ["a.md"], ["x/a.md"]),
        ("docs/", ["docs/a", "docs/x/a", "x/docs/a"], ["docs", "mydocs/a"]),
        ("/docs/", ["docs/a", "docs/x/a"], ["x/docs/a"]),
        ("docs/*", ["docs/a"], ["docs/x/a", "x/docs/a"]),
        ("/docs/**", ["docs/a", "docs/x/a"], ["x"]),
        ("**/logs", ["logs/a", "x/logs/a", "x/y/logs"], ["xlogs/a"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b/c"], ["b", "x/a/b"]),
        ("apps", ["apps/a", "x/apps/y", "apps"], ["apps2"]),
        ("/hr/p?y", ["hr/pay/x", "hr/pay"], ["hr/play"]),
        ("a[1].md", ["a[1].md"], ["a1.md"]),
        ("with\\ space.md", ["with space.md"], ["with"]),
    ],
)
def test_patterns(pattern: str, fits: list[str], does_not: list[str]) -> None:
    owners = CodeOwners(f"# all of it\n{pattern} @hr  # and why\n")
    assert [path for path in fits if owners.owners(path) != ("@hr",)] == []
    assert [path for path in does_not if owners.owners(path)] == []


def test_the_last_line_that_matches_counts_and_may_name_nobody() -> None:
    owners = CodeOwners("* @all\n/hr/ @hr @carol\n\n[Section]\n^[Optional]\n!x @y\n/hr/open.md\n")
    assert owners.owners("a") == ("@all",) and owners.owners("hr/a") == ("@hr", "@carol")
    assert owners.owners("hr/open.md") == ()
    assert owners.owner("hr/a", {"@carol": "user:carol"}) == "user:carol"
    assert owners.owner("hr/a", {"@Carol": "user:carol"}) is None


def test_no_pattern_takes_long() -> None:
    """One that tries every way to share out its stars would not come back."""
    stars = "/".join(["**"] * 60) + "/" + "*a" * 60 + "b"
    assert CodeOwners(f"{stars} @x\n").owners("/".join(["a" * 60] * 60)) == ()
