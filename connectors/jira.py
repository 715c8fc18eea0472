"""Jira Cloud: issues with their comments, under the project's permission scheme and the issue's security level.

Every scan lists everything and reads every permission anew; texts are fetched of what changed. Comments that are shown
to a role or a group alone are left out: not everybody who may see the issue may see them.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator
from html import escape
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from connectors.accounts import Account, Accounts, People
from connectors.atlassian import as_dict, clean, credential, document, section, time_of
from connectors.declared import Address
from connectors.jira_access import Access, Public
from connectors.jira_adf import html
from connectors.jira_site import Issue, Project, Site
from connectors.pace import PACE, Pace
from connectors.protocol import Membership
from connectors.rest import Rest, address_of
from vouch.core.clock import rfc3339
from vouch.core.errors import BadConfig, DocumentRejected, NotFound, SourceRefuses
from vouch.core.types import Body, Change, Checkpoint, Json, SourceAcl, Upsert
from vouch.outbound.door import Outbound

MIME = "text/html"
_EXTERNAL = re.compile(r"issue/([0-9]{1,20})")
_FORMAT = "1"
"""Of what is made of an issue. It is part of the fingerprint."""
_FACTS = (
    ("Type", "issuetype"), ("Status", "status"), ("Resolution", "resolution"), ("Priority", "priority"),
    ("Labels", "labels"), ("Components", "components"), ("Fixed in", "fixVersions"),
)  # fmt: skip

Key = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,254}$")]


class JiraConfig(BaseModel):
    """Configuration of a Jira source."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    keeps_secrets_through: ClassVar[frozenset[str]] = frozenset(
        {
            "base_url", "projects", "exclude_projects", "comments", "public", "people", "trust_emails", "max_items",
            "max_issue_kb", "delay_s",
        }
    )  # fmt: skip

    site: str = Field(max_length=1000, description="Address of the site: `https://….atlassian.net`.")
    base_url: Address | None = Field(None, max_length=1000, description="Where people open it; else `site`.")
    user: str | None = Field(
        None, min_length=3, max_length=300, description="E-mail address of the account whose API token this is."
    )
    token: SecretStr = Field(
        min_length=1, max_length=8000, description="API token with `user`; without, a bearer token. Sealed."
    )
    issuer: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,63}$", description="Issuer of the site's groups: `jira`.")
    people: People = Field(
        default_factory=lambda: People.model_validate({}), description="Which account is which user."
    )
    trust_emails: bool = Field(
        False, description="Whether `people.named` may name accounts by the e-mail address that the site shows of them."
    )
    projects: tuple[Key, ...] = Field((), max_length=1000, description="Keys of the projects that are read; none: all.")
    exclude_projects: tuple[Key, ...] = Field((), max_length=1000, description="Keys of projects that are not.")
    comments: bool = Field(True, description="Whether comments that all who see the issue see are part of its text.")
    public: Public = Field(
        "nobody", description="Whom a project lets in that it opens to anyone or to everybody who is signed in."
    )
    max_items: int = Field(100_000, ge=1, le=1_000_000, description="A scan that meets more issues fails.")
    max_issue_kb: int = Field(2048, ge=1, le=20 * 1024, description="Largest text of an issue with its comments, KiB.")
    delay_s: float = Field(0.0, ge=0, le=60, description="Least seconds between two requests.")

    @model_validator(mode="after")
    def _addresses_count(self) -> JiraConfig:
        if not self.trust_emails and any("@" in account for account in self.people.named):
            raise ValueError("people.named names e-mail addresses: set trust_emails, or name account ids")
        return self


class JiraConnector:
    """Reads the issues of a Jira Cloud site, with permission schemes and issue security."""

    kind: ClassVar[str] = "jira"
    Config: ClassVar[type[BaseModel]] = JiraConfig
    lists_everything: ClassVar[bool] = True
    goes_out: ClassVar[bool] = True

    def __init__(self, config: JiraConfig, outbound: Outbound, pace: Pace = PACE) -> None:
        """Raises :class:`BadConfig` for an address or a token that cannot work; nothing is asked yet."""
        self.config = config
        self._accounts = Accounts(config.issuer, config.people)
        base = address_of(config.site, "site", outbound)
        self._opened_at = (config.base_url or base).rstrip("/")
        self._rest = Rest(outbound, base, credential(config.user, config.token), delay_s=config.delay_s, pace=pace)

    def scan(self, cursor: Json | None) -> Iterator[Change]:
        """Everything, with its access; the cursor says nothing, for no part is left out.

        Raises :class:`BadConfig` for a project that the account does not see: it may be there all the same.
        """
        site = Site(self._rest)
        site.require_account()
        named: set[str] = set()
        for project in self._projects(site):
            issues = {issue.id: issue for issue in site.issues(project, comments=self.config.comments)}
            access = Access(site, project, self._accounts, self.config.public)  # not older than what it is for
            for issue in issues.values():
                if issue.external_id in named:
                    continue  # it was moved here meanwhile; the next scan sees it here alone
                named.add(issue.external_id)
                if len(named) > self.config.max_items:
                    raise BadConfig(f"There are more than {self.config.max_items:,} issues", field="config.max_items")
                yield self._upsert(issue, access.of(issue))
        yield Checkpoint({"documents": len(named)})

    def fetch(self, external_id: str) -> Body:
        match = _EXTERNAL.fullmatch(external_id)
        if match is None:
            raise NotFound()
        site = Site(self._rest)
        try:
            said = site.issue(match[1])
            comments = list(site.comments(match[1])) if self.config.comments else []
        except SourceRefuses as error:
            if error.said == 403:
                raise DocumentRejected("The account may not read it.", reason="unreadable") from error
            raise
        if not self._reads(str(as_dict(said["fields"].get("project")).get("key"))):
            raise NotFound()
        data = _text(said, comments).encode("utf-8", "replace")
        if len(data) > self.config.max_issue_kb << 10:
            raise DocumentRejected(f"It is larger than {self.config.max_issue_kb:,} KiB", reason="too_large")
        return Body(data, MIME)

    def memberships(self) -> Iterator[Membership]:
        """Which account is which user, of those that are active, and their groups."""
        site = Site(self._rest)
        site.require_account()
        members: defaultdict[str, set[str]] = defaultdict(set)
        people: dict[str, Account] = {}
        for group in site.listed("group/bulk", {"maxResults": 50}):
            id = str(group.get("groupId"))
            try:
                for said in site.listed("group/member", {"groupId": id, "maxResults": 50}):
                    if (account := self._account(said)) is not None:
                        people[account.id] = account
                        members[account.id].add(self._accounts.group("group", id))
            except NotFound:
                continue  # deleted since it was listed
        others = sorted(id for id in self.config.people.named if "@" not in id and id not in people)
        for start in range(0, len(others), 50):
            some = others[start : start + 50]
            for said in site.listed("user/bulk", {"accountId": some, "maxResults": 50}):
                if (account := self._account(said)) is not None:
                    people[account.id] = account
        told: set[Membership] = set()
        for account in people.values():
            known = list(self._accounts.members([account]))
            told.update(known)
            if known:
                own = self._accounts.account(account.id)
                told.update(Membership(group, own) for group in members[account.id])
        yield from sorted(told, key=lambda one: (one.group, one.member))

    def _account(self, said: Json) -> Account | None:
        id, email = said.get("accountId"), said.get("emailAddress")
        if not isinstance(id, str) or not id:
            return None
        trusted = email if self.config.trust_emails and isinstance(email, str) and email else None
        return Account(id, trusted, said.get("active") is True)

    def _reads(self, key: str) -> bool:
        return key not in self.config.exclude_projects and (not self.config.projects or key in self.config.projects)

    def _projects(self, site: Site) -> list[Project]:
        found = {project.id: project for project in site.projects()}
        missing = set(self.config.projects) - {project.key for project in found.values()}
        if missing:
            raise BadConfig(f"The account sees no project {min(missing)}", field="config.projects")
        return [project for project in found.values() if self._reads(project.key)]

    def _upsert(self, issue: Issue, acl: SourceAcl) -> Upsert:
        made_of = "\0".join((_FORMAT, issue.key, issue.summary, issue.updated, *issue.remarks))
        return Upsert(
            external_id=issue.external_id,
            title=_title(issue.key, issue.summary),
            uri=f"{self._opened_at}/browse/{issue.key}",
            fingerprint=hashlib.sha256(made_of.encode("utf-8", "replace")).hexdigest(),
            acl=acl,
            mime=MIME,
            modified_at=issue.modified_at,
        )


def _title(key: str, summary: str) -> str:
    return f"{key} {summary}".strip()


def _text(said: Json, comments: list[Json]) -> str:
    fields: Json = said["fields"]
    facts = "".join(
        f"<li>{label}: {escape(value)}</li>" for label, name in _FACTS if (value := _named(fields.get(name)))
    )
    inside = (f"<ul>{facts}</ul>" if facts else "") + html(fields.get("description"))
    shown = "".join(_comment(comment) for comment in comments if _is_for_all(comment))
    inside += section("Comments", shown) if shown else ""
    return document(_title(clean(said.get("key")), clean(fields.get("summary"))), inside)


def _is_for_all(comment: Json) -> bool:
    """Whether everybody who sees the issue sees the comment; anything that might say otherwise counts."""
    return comment.get("visibility") is None and comment.get("jsdPublic", True) is True


def _comment(comment: Json) -> str:
    author = clean(as_dict(comment.get("author")).get("displayName"))
    day = (rfc3339(time_of(comment.get("created"))) or "")[:10]
    return section(", ".join(filter(None, (author, day))) or "Comment", html(comment.get("body")), level=3)


def _named(said: Any) -> str:
    """The name of a value, or of each of several."""
    if isinstance(said, list):
        return ", ".join(filter(None, map(_named, said)))
    return clean(said if isinstance(said, str) else as_dict(said).get("name"))
