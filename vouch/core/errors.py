"""Every error Vouch raises on purpose, and what a caller may do about it.

    VouchError                     status  code                     retry helps
    ├─ InvalidInput                   422  invalid_input            no   (names the field)
    │  ├─ EmptyQuestion               422  question_empty           no
    │  ├─ QuestionTooLong             422  question_too_long        no
    │  ├─ UnknownField                422  unknown_field            no
    │  ├─ BadConfig                   422  bad_config               no   (file, line and field)
    │  ├─ BadEvalSet                  422  bad_eval_set             no   (file, line and reason)
    │  ├─ BadEvalRun                  422  bad_eval_run             no   (reason)
    │  ├─ EditRefused                 422  edit_refused             no   (field and reason)
    │  ├─ OutboundRefused             422  outbound_refused         no   (an address that may not be reached)
    │  └─ PayloadTooLarge             413  payload_too_large        no
    ├─ Unauthenticated                401  unauthenticated          no   (one text for every reason)
    ├─ Forbidden                      403  forbidden                no   (a missing scope, never a hidden object)
    ├─ ActsForNobody                  403  acts_for_nobody          no   (the key must act for a user to read content)
    ├─ NotFound                       404  not_found                no   (also: it exists, and you may not know)
    ├─ MethodNotAllowed               405  method_not_allowed       no
    ├─ Conflict                       409  conflict                 no
    │  ├─ AlreadyClaimed              409  already_claimed          no   (another has it, until `claimed_until`)
    │  ├─ NotClaimed                  409  not_claimed              no   (claim it first, or again)
    │  └─ AlreadyDecided              409  already_decided          no
    ├─ AccessIncomplete               503  access_incomplete        yes  (a truncated closure is unsafe)
    ├─ StateNotReached                409  state_not_reached        yes  (X-Vouch-At-Least lies ahead of us)
    ├─ AnswerWithdrawn                409  answer_withdrawn         yes  (access changed while it was being given)
    ├─ Unavailable                    503  unavailable              yes  (a part is down or starting)
    │  ├─ IndexUnavailable            503  index_unavailable        yes
    │  └─ ModelUnavailable            503  model_unavailable        yes
    ├─ ModelWithheld                  422  model_withheld           no   (what was to be sent may not be sent there)
    ├─ DocumentRejected               422  document_rejected        no   (quarantine: reason in `reason`)
    ├─ SyncRefused                    409  sync_refused             no   (a scan that must not go on: `reason`)
    ├─ SourceUnreachable              503  source_unreachable       yes  (the source itself does not answer)
    ├─ SourceRefuses                  409  source_refuses           no   (it answers, and does not let us read)
    ├─ MailNotSent                    503  mail_not_sent            yes  (a mail server did not take a message)
    ├─ CursorExpired                  409  cursor_expired           no   (a connector's: the scan lists everything)
    ├─ LeaseLost                      409  lease_lost               no   (another worker owns the stage now)
    ├─ SealBroken                     500  seal_broken              no   (a kept secret does not open)
    ├─ WrongWeights                   500  wrong_weights            no
    ├─ BadPrompt                      500  bad_prompt               no   (a prompt that is not as it was released)
    ├─ ReleaseBroken                  503  release_broken           no   (what is released is not in the profiles)
    ├─ AlreadyRunning                 409  already_running          no
    ├─ PortTaken                      409  port_taken               no
    └─ StartFailed                    500  start_failed             no

Errors that cross HTTP become RFC 9457 ``application/problem+json``; ``code`` is stable.
"""

from __future__ import annotations

from typing import Any, ClassVar


class VouchError(Exception):
    """Root of the tree above.

    ``detail`` is for people and never names an object that the caller may not know of.
    ``field`` points at the offending input, in the request's own words (``filter.mime``).
    It may quote what was sent, and is cut where that was endless.
    """

    LONGEST: ClassVar[int] = 2_000
    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong"
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str = "", *, field: str | None = None, **extra: Any) -> None:
        detail = detail if len(detail) <= self.LONGEST else f"{detail[: self.LONGEST]}…"
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.field = field
        self.extra = extra

    def problem(self) -> dict[str, Any]:
        """The RFC 9457 body."""
        body: dict[str, Any] = {
            "type": f"urn:vouch:error:{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }
        if self.field is not None:
            body["field"] = self.field
        return {**body, **self.extra}


class InvalidInput(VouchError):
    status, code, title = 422, "invalid_input", "The input is not valid"


class EmptyQuestion(InvalidInput):
    code, title = "question_empty", "The question is empty"


class QuestionTooLong(InvalidInput):
    code, title = "question_too_long", "The question is too long"


class UnknownField(InvalidInput):
    code, title = "unknown_field", "A field is not known"


class BadConfig(InvalidInput):
    code, title = "bad_config", "The configuration is not valid"


class BadEvalSet(InvalidInput):
    """A set of questions with judgements that cannot be used: ``file``, ``line`` (0: the whole file), ``reason``."""

    code, title = "bad_eval_set", "The evaluation set is not valid"


class BadEvalRun(InvalidInput):
    """Kept runs that cannot be compared; why stands in ``reason``."""

    code, title = "bad_eval_run", "The evaluation run is not valid"


class EditRefused(InvalidInput):
    """A reviewer's text that does not hold as a model's would have to; ``reason`` is one stable word for it."""

    code, title = "edit_refused", "The edit is refused"


class OutboundRefused(InvalidInput):
    """Says nothing of what is there: it is raised before anything is connected to."""

    code, title = "outbound_refused", "The address may not be reached"


class PayloadTooLarge(InvalidInput):
    status, code, title = 413, "payload_too_large", "The request is too large"


class Unauthenticated(VouchError):
    """One text for every reason: a refusal does not tell who tries what was nearly right."""

    status, code, title = 401, "unauthenticated", "Who is asking is not known"

    def __init__(
        self, detail: str = "A valid credential of someone active is needed: `Authorization: Bearer …`.", **kw: Any
    ) -> None:
        super().__init__(detail, **kw)


class Forbidden(VouchError):
    status, code, title = 403, "forbidden", "The credential does not carry the scope"


class ActsForNobody(Forbidden):
    code, title = "acts_for_nobody", "The request acts for no user"


class NotFound(VouchError):
    status, code, title = 404, "not_found", "Nothing here"

    def __init__(self, detail: str = "There is nothing here that you can see.", **kw: Any) -> None:
        super().__init__(detail, **kw)


class MethodNotAllowed(VouchError):
    status, code, title = 405, "method_not_allowed", "The method is not allowed here"


class Conflict(VouchError):
    status, code, title = 409, "conflict", "The request conflicts with the present state"


class AlreadyClaimed(Conflict):
    """Another reviewer has it, until ``claimed_until``."""

    code, title = "already_claimed", "Another reviewer has claimed it"


class NotClaimed(Conflict):
    code, title = "not_claimed", "You have not claimed it, or no longer"


class AlreadyDecided(Conflict):
    code, title = "already_decided", "It is decided already"


class AccessIncomplete(VouchError):
    status, code, title, retryable = 503, "access_incomplete", "Access could not be resolved", True


class StateNotReached(VouchError):
    status, code, title, retryable = 409, "state_not_reached", "The requested state is not reached", True


class AnswerWithdrawn(VouchError):
    status, code, title, retryable = 409, "answer_withdrawn", "The answer is withdrawn", True


class Unavailable(VouchError):
    status, code, title, retryable = 503, "unavailable", "A part of the platform is not available", True


class IndexUnavailable(Unavailable):
    code, title = "index_unavailable", "The index is not available"


class ModelUnavailable(Unavailable):
    """``reason`` is one stable word. ``retry_after_s``: how long the model's server asks to be left alone."""

    code, title = "model_unavailable", "The model is not available"
    retry_after_s: float | None = None


class ModelWithheld(VouchError):
    """A chat model outside was not asked: the question, or evidence that its asker may read, holds what it may not be
    sent."""

    status, code, title = 422, "model_withheld", "The model may not be sent this"


class DocumentRejected(VouchError):
    """This document cannot be ingested as it is; ``reason`` is one stable word for it."""

    status, code, title = 422, "document_rejected", "The document cannot be read"

    def __init__(self, detail: str = "", *, reason: str = "unreadable", **kw: Any) -> None:
        super().__init__(detail, reason=reason, **kw)
        self.reason = reason


class SyncRefused(VouchError):
    """What a source told cannot be applied safely, so it is not; ``reason`` is one stable word for it."""

    status, code, title = 409, "sync_refused", "The sync is refused"

    def __init__(self, detail: str = "", *, reason: str = "refused", **kw: Any) -> None:
        super().__init__(detail, reason=reason, **kw)
        self.reason = reason


class SourceUnreachable(VouchError):
    """The source, not a part of ours, is down or slow: a try counts, where one of ours that is down would not."""

    status, code, title, retryable = 503, "source_unreachable", "The source does not answer", True


class SourceRefuses(VouchError):
    """The source answers and says no: a credential that is not good, a right that it lacks, a request it cannot follow.
    ``said`` is its HTTP status."""

    status, code, title = 409, "source_refuses", "The source refuses to be read"

    def __init__(self, detail: str = "", *, said: int = 0, **kw: Any) -> None:
        super().__init__(detail, **kw)
        self.said = said


class MailNotSent(VouchError):
    """A mail server did not take a message; ``reason`` is one stable word for it.

    ``final``: no later try will do. ``unsure``: it may have been taken all the same."""

    status, code, title, retryable = 503, "mail_not_sent", "The mail was not sent", True

    def __init__(
        self, detail: str = "", *, reason: str = "failed", final: bool = False, unsure: bool = False, **kw: Any
    ) -> None:
        super().__init__(detail, reason=reason, **kw)
        self.reason, self.final, self.unsure = reason, final, unsure


class CursorExpired(VouchError):
    """A source can no longer tell what changed since the cursor. Only a connector's scan raises it."""

    status, code, title = 409, "cursor_expired", "What changed since the last scan can no longer be told"


class LeaseLost(VouchError):
    status, code, title = 409, "lease_lost", "The lease on this work has passed to another"


class SealBroken(VouchError):
    status, code, title = 500, "seal_broken", "A kept secret does not open"


class WrongWeights(VouchError):
    status, code, title = 500, "wrong_weights", "The model's weights are not the expected ones"


class BadPrompt(VouchError):
    status, code, title = 500, "bad_prompt", "A prompt is not as it was released"


class ReleaseBroken(VouchError):
    """The profile that is to serve is not configured any more, or not as it was when it was released."""

    status, code, title = 503, "release_broken", "What is released cannot be used"


class AlreadyRunning(VouchError):
    status, code, title = 409, "already_running", "A platform already runs on this data folder"


class PortTaken(VouchError):
    status, code, title = 409, "port_taken", "The port is taken"


class StartFailed(VouchError):
    status, code, title = 500, "start_failed", "A part did not start"


def every_error() -> list[type[VouchError]]:
    """All of the tree, root first; docs and tests walk it."""
    found: list[type[VouchError]] = [VouchError]
    for cls in found:
        found.extend(sub for sub in cls.__subclasses__() if sub.__module__ == __name__)
    return found
