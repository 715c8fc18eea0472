"""Questions are put to a model under the mark of who pays for them."""

from __future__ import annotations

from dataclasses import dataclass, field

from retrieval.spend import paying
from tests.retrieval.reusing import HOTEL, CountingChat, written
from tests.retrieval.world import TENANT, World
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.spending import Payer
from vouch.catalog.tables import Tenant
from vouch.core.deadline import Deadline
from vouch.gateway.chat import ChatReply, DraftRequest, PassageText
from vouch.gateway.gateway import Gateway


@dataclass
class Listening(CountingChat):
    prompts: list[str] = field(default_factory=list)

    def write(self, request: DraftRequest, timeout_s: float) -> ChatReply:
        self.prompts.append(request.system_prompt)
        return super().write(request, timeout_s)


def test_what_is_asked_for_a_tenant_begins_with_its_mark(world: World) -> None:
    written(world, "off")
    chat = Listening()
    world.use(gateway=Gateway.of(chat))
    for user in ("bob", "dave"):
        assert world.ask(user, HOTEL)["usage"]["writer"].startswith("chat:counting")
    with world.catalog.transaction(ACROSS_TENANTS) as session:
        session.add(Tenant(id="other", name="Other"))
    request = DraftRequest(HOTEL, (PassageText("1", "Travel", "Hotel costs."),), chat.prompts[0].split("\n", 2)[2])
    for tenant in (TENANT, "other"):
        payer = Payer(tenant, "user:x", "key", (), None, "trace")
        paying(world.services, payer, "counting", Deadline.of(30))(request)
    marks = [prompt.split("\n")[0] for prompt in chat.prompts]
    assert marks[0].startswith("Mark ") and marks[0] == marks[1] == marks[2] != marks[3]
