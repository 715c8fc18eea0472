"""The checks that each seeded fault must make one of fail: questions, what is read again, and who is calling."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

from acl import break_glass
from acl.caller import Asker, authenticate
from retrieval import documents, pipeline
from retrieval.answers import read_answer, read_conversation
from retrieval.stream import Telling
from retrieval.trace import read_trace
from retrieval.types import Question
from tests.acl.checks_catalog import CatalogChecks
from tests.acl.probe import EVERYONE, Watching, Writing, refused
from tests.retrieval.world import SECRET, TENANT
from vouch.core import clock
from vouch.core.errors import VouchError
from vouch.gateway.gateway import Gateway


class Checks(CatalogChecks):
    """All of them."""

    # --- questions ----------------------------------------------------------------------------------

    def check_before_rerank(self) -> None:
        user, about = self.user(), self.name()
        document = self.document(EVERYONE, about=about, project=True)
        self.document(EVERYONE, about=about, project=True)
        self.access(document, ({"user:bob"}, set()))
        reranker = Watching(lambda: None)
        with self.using(reranker=reranker):
            found = self.search(user, about)
        assert reranker.seen and document not in found
        assert not any(self.text(document) in text for text in reranker.seen)

    def check_after_rerank(self) -> None:
        user, about = self.user(), self.name()
        document = self.document(EVERYONE, about=about, project=True)
        with self.using(reranker=Watching(lambda: self.access(document))):
            assert document not in self.search(user, about)

    def check_release(self) -> None:
        user, about = self.user(), self.name()
        document = self.document(EVERYONE, about=about, project=True)
        with self.using(gateway=Gateway.of(Writing(lambda: None))):
            assert self.ask(user, about).released.abstention is None
        with self.using(gateway=Gateway.of(Writing(lambda: self.access(document)))):
            asked = self.ask(user, about)
        assert asked.released.abstention is not None and document not in repr(asked.released)

    def check_stream(self) -> None:
        """Lost between two flushes: nothing more leaves."""
        user, about = self.user(), self.name()
        document = self.document(EVERYONE, about=about, project=True)
        key = self.key(["ask"], user=user)
        telling = Telling(self.world.services, Asker(TENANT, user, key.id))

        async def listen() -> list[bytes]:
            told = []
            try:
                async for event in telling.events(Question(f"Where is the {about} kept?", 8), None):
                    told.append(event)
                    if b"event: token" in event:
                        await asyncio.to_thread(self.access, document)
            except VouchError as error:
                told.append(error.code.encode())
            return told

        told = asyncio.run(listen())
        assert any(b"event: token" in event for event in told)
        assert told[-1] == b"answer_withdrawn" and not any(b"event: answer" in event for event in told)

    def check_stream_credential(self) -> None:
        user = self.user()
        key = self.key(["ask"], user=user)
        telling = Telling(self.world.services, Asker(TENANT, user, key.id))
        self.revoke(key.id)
        with self.world.catalog.reading(TENANT) as session:
            refused(lambda: telling.check(session))

    def check_successor(self) -> None:
        user = self.user()
        old = self.document(EVERYONE)
        self.document(({"user:bob"}, set()), supersedes=(self.title(old),))
        card = documents.read_document(self.world.services, self.asker(user), old)
        assert card.freshness.superseded_by is None

    # --- reading again ------------------------------------------------------------------------------

    def check_documents(self) -> None:
        user, services = self.user(), self.world.services
        document = self.document(EVERYONE)
        documents.read_text(services, self.asker(user), document, (0, None), None)
        self.access(document)
        refused(lambda: documents.read_document(services, self.asker(user), document))
        refused(lambda: documents.read_text(services, self.asker(user), document, (0, None), 1))

    def check_answers(self) -> None:
        user, other, about = self.user(), self.user(), self.name()
        document, shown = (self.document(EVERYONE, about=about) for _ in range(2))
        self.world.projector.catch_up()
        with self.using(
            gateway=Gateway.of(Writing(lambda: None))
        ):  # prose, which may speak of all that its writer was shown
            released = self.ask(user, about).released
        assert released.inputs >= {document, shown} and len(released.citations) == 1
        catalog = self.world.catalog
        assert read_answer(catalog, self.asker(user), released.id).released.text == released.text
        refused(lambda: read_answer(catalog, self.asker(other), released.id))
        cited = released.citations[0].document.document_id
        for lost in (shown if cited == document else document, cited):
            self.access(lost)
            refused(lambda: read_answer(catalog, self.asker(user), released.id))
            self.access(lost, EVERYONE)

    def check_traces(self) -> None:
        user, other, about = self.user(), self.user(), self.name()
        document, hidden = (self.document(EVERYONE, about=about) for _ in range(2))
        self.world.projector.catch_up()
        self.access(hidden, ({"user:bob"}, set()))
        asked = self.ask(user, about)
        trace = read_trace(self.world.catalog, self.caller(user), asked.trace)
        assert document in json.dumps(trace) and hidden not in json.dumps(trace)
        refused(lambda: read_trace(self.world.catalog, self.caller(other), asked.trace))
        self.access(document)
        assert document not in json.dumps(read_trace(self.world.catalog, self.caller(user), asked.trace))

    def check_conversations(self) -> None:
        user, other, about = self.user(), self.user(), self.name()
        self.document(EVERYONE, about=about, project=True)
        pipeline.ask(self.world.services, self.asker(user), Question(about, 5, conversation_id=about))
        assert len(read_conversation(self.world.catalog, self.asker(user), about)) == 1
        refused(lambda: read_conversation(self.world.catalog, self.asker(other), about))

    def check_break_glass(self) -> None:
        user, other = self.user(), self.user()
        document = self.document(({"user:bob"}, set()))
        catalog = self.world.catalog
        granted = break_glass.grant(catalog, self.asker(user), document, reason="a probe of the tests", minutes=5)

        def use(who: str) -> object:
            with catalog.transaction(TENANT) as session:
                return break_glass.use(session, self.asker(who), granted.id, "break_glass.text")

        assert use(user)
        refused(lambda: use(other))
        assert self.readable(user, document) == frozenset()
        with clock.frozen(clock.now() + timedelta(minutes=6)):
            refused(lambda: use(user))

    # --- who is calling -----------------------------------------------------------------------------

    def check_credentials(self) -> None:
        user, other, catalog = self.user(), self.user(), self.world.catalog
        bound = self.key(["ask"], user=user)
        assert authenticate(catalog, SECRET, bound.secret, None).user == user
        refused(lambda: authenticate(catalog, SECRET, bound.secret, other))
        self.revoke(bound.id)
        refused(lambda: authenticate(catalog, SECRET, bound.secret, None))
        ending = self.key(["ask"], user=user, expires_at=clock.now() + timedelta(minutes=1))
        with clock.frozen(clock.now() + timedelta(minutes=2)):
            refused(lambda: authenticate(catalog, SECRET, ending.secret, None))
        lasting = self.key(["ask"], user=user)
        self.user(name=user, active=False)
        refused(lambda: authenticate(catalog, SECRET, lasting.secret, None))

    def check_nobody(self) -> None:
        """An administrator's key acts for nobody, and reads no content."""
        document = self.document(EVERYONE)
        response = self.world.get(f"/documents/{document}", None, "ask", "act_as", "admin")
        assert (response.status_code, response.json()["code"]) == (403, "acts_for_nobody")


CHECKS = tuple(
    name.removeprefix("check_") for kind in (CatalogChecks, Checks) for name in vars(kind) if name.startswith("check_")
)
