"""Users, groups and memberships. Every change returns an authorization token (see `Client.at_least`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vouch.client.http import Connection, segment
from vouch.client.mail import MailStanding
from vouch.client.results import Result


class _Managers(Result):
    managers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Directory:
    """`/v1/directory`. Ids without their kind: `alice`, or `okta/00u1` of another issuer."""

    connection: Connection

    def put_user(self, user_id: str, name: str, *, active: bool = True) -> str:
        return self._token("PUT", f"users/{segment(user_id, slashes=True)}", {"name": name, "active": active})

    def remove_user(self, user_id: str) -> str:
        return self._token("DELETE", f"users/{segment(user_id, slashes=True)}")

    def put_group(self, group_id: str, name: str, members: Sequence[str] | None = None) -> str:
        """Without ``members`` those that the group has stay."""
        body = {"name": name, "members": None if members is None else list(members)}
        return self._token("PUT", f"groups/{segment(group_id, slashes=True)}", body)

    def remove_group(self, group_id: str) -> str:
        return self._token("DELETE", f"groups/{segment(group_id, slashes=True)}")

    def change_members(self, group_id: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> str:
        """Members are `user:alice` or `group:platform`."""
        body = {"add": list(add), "remove": list(remove)}
        return self._token("POST", f"groups/{segment(group_id, slashes=True)}/members", body)

    def set_mail(self, user_id: str, address: str | None) -> MailStanding:
        """Where somebody's reports go; None: nowhere. It is not who they are."""
        path = f"/v1/directory/users/{segment(user_id, slashes=True)}/mail"
        return MailStanding.model_validate(self.connection.send("POST", path, {"address": address}))

    def mail(self, user_id: str) -> MailStanding:
        return self.connection.get(f"/v1/directory/users/{segment(user_id, slashes=True)}/mail", MailStanding)

    def managers(self, group_id: str) -> tuple[str, ...]:
        """Who may see how the documents of the group stand."""
        return self.connection.get(
            f"/v1/directory/groups/{segment(group_id, slashes=True)}/managers", _Managers
        ).managers

    def change_managers(self, group_id: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> int:
        """Add and remove users. Returns how many there are then."""
        path = f"/v1/directory/groups/{segment(group_id, slashes=True)}/managers"
        told = self.connection.send("POST", path, {"add": list(add), "remove": list(remove)})
        return int(told["managers_in_all"])

    def _token(self, method: str, path: str, body: dict[str, Any] | None = None) -> str:
        return str(self.connection.send(method, f"/v1/directory/{path}", body)["authz_token"])
