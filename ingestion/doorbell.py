"""Redis and Celery as a doorbell: messages carry ids alone, and losing one loses nothing but time."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from celery import Celery
from kombu.exceptions import OperationalError
from redis import Redis, RedisError

log = logging.getLogger(__name__)

QUEUES = ("project", "publish", "mail", "webhooks", "scan", "embed", "documents", "compare", "build")
"""In the order a worker empties them, strictly: nothing of a queue is begun while one before it has a message. What is
nearly done goes first, so searchable comes early. Of mail a batch is under way at most, of webhooks two, and neither
waits for a backlog of documents. Nor do scans: a small source would be looked at only when all that a large one has
named is through. They have places of their own (``ingestion/places.py``), so documents are left a process. What is
published is compared with other documents, the index compacted and a new generation filled when nothing else is to be
done."""
QUEUE_OF = {"scan": "scan", "fetch": "documents", "parse": "documents", "chunk": "documents", "embed": "embed"}
BUILD = "build"
BATCH = 32
"""Documents per message, which says how many to do more than which (``vouch/catalog/turns.py``): enough for well-filled
embedding batches, few enough to share among workers."""
_PROJECTOR_RUNG = "vouch:projector:rung"
_PATIENCE = {"max_retries": 1, "interval_start": 0.2, "interval_step": 0, "interval_max": 0.2}
"""Of who rings while Redis is away: kombu's own would let a push wait ten seconds for what the scheduler makes up
for. A worker's own connection is tried for as long as it takes, by ``broker_connection_max_retries``."""


def make_celery(broker_url: str) -> Celery:
    """The Celery application of one broker. Its settings are those that survived kill -9 (see docs/decisions/0003)."""
    app = Celery("vouch", broker=broker_url, set_as_current=False)
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        task_ignore_result=True,
        task_time_limit=300,
        task_soft_time_limit=240,
        task_serializer="json",
        accept_content=["json"],
        broker_transport_options={
            "visibility_timeout": 900,
            "queue_order_strategy": "priority",
            "socket_timeout": 10,
            "socket_connect_timeout": 2,
            **_PATIENCE,
        },
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        task_publish_retry=False,
        worker_cancel_long_running_tasks_on_connection_loss=True,
        worker_soft_shutdown_timeout=5,
        worker_hijack_root_logger=False,
        worker_max_memory_per_child=1_200_000,
        task_default_queue="documents",
        task_create_missing_queues=True,
    )
    return app


def beside(stage: str) -> tuple[str, ...]:
    """The stages whose messages wait in the same queue as those of ``stage``, itself included."""
    queue = QUEUE_OF.get(stage, stage)
    return (*(name for name, other in QUEUE_OF.items() if other == queue),) or (stage,)


def at_once(stage: str) -> int:
    """Stages that a message may be for. A scan that waited behind another in hand would get no turn."""
    return 1 if stage == "scan" else BATCH


def ring(bell: Celery, stage: str, ids: Sequence[str], *, alone: bool = False) -> None:
    """Ring for ``ids``, all ready for ``stage``, in batches, or for each ``alone``. Never raises for a Redis that is
    away."""
    for some in _batches(ids, 1 if alone else at_once(stage)):
        _send(bell, f"ingestion.{stage}", QUEUE_OF.get(stage, stage), [some])


def unheard(redis: Redis, stage: str) -> bool:
    """Whether a message for ``stage`` waits that no process has taken. False for a Redis that is away."""
    try:
        return bool(redis.llen(QUEUE_OF.get(stage, stage)))
    except RedisError as error:
        log.warning("the queue of %s cannot be read: %s", stage, error)
        return False


def ring_projector(bell: Celery, redis: Redis) -> None:
    """Ring the projector unless it was rung and has not yet looked."""
    try:
        if redis.set(_PROJECTOR_RUNG, "1", nx=True, ex=3):
            _send(bell, "ingestion.project", "project", [])
    except RedisError as error:
        log.warning("the projector was not rung: %s", error)


def ring_maintenance(bell: Celery) -> None:
    """Ask a worker to have the index compacted, should that be worth it. That may hold a process for long, so it waits
    until no document does; of comparing, which waits in the same queue, a message does one batch."""
    _send(bell, "ingestion.maintain", "compare", [])


def ring_mail(bell: Celery, due: Sequence[tuple[str, str]]) -> None:
    """Ask a worker to send what is owed: tenant and id of each, in one message."""
    if due:
        _send(bell, "ingestion.mail", "mail", [[list(one) for one in due]])


def ring_compare(bell: Celery) -> None:
    """Ask a worker to compare documents that have not been compared with others yet."""
    _send(bell, "ingestion.compare", "compare", [])


def ring_build(bell: Celery) -> None:
    """Ask a worker to go on filling an index generation, and to clear away what is left of removed ones."""
    _send(bell, "ingestion.build", BUILD, [])


def ring_webhooks(bell: Celery, batches: Sequence[Sequence[tuple[str, str]]]) -> None:
    """Ask a worker for each batch to make the calls that are owed to its webhooks: tenant and id of each."""
    for batch in batches:
        _send(bell, "ingestion.webhooks", "webhooks", [[list(one) for one in batch]])


def ring_canary(bell: Celery) -> None:
    """Ask a worker to prove that it works: it writes a heartbeat."""
    _send(bell, "ingestion.canary", "project", [])


def projector_looks(redis: Redis) -> None:
    """The projector has begun to look: later operations must ring again."""
    try:
        redis.delete(_PROJECTOR_RUNG)
    except RedisError as error:
        log.warning("the projector's bell was not reset: %s", error)


def _send(bell: Celery, task: str, queue: str, args: list[object]) -> None:
    try:
        bell.send_task(task, args=args, queue=queue)
    except (OperationalError, RedisError, OSError) as error:
        log.warning("%s was not rung, the scheduler will ring again: %s", task, error)


def _batches(ids: Sequence[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(ids), size):
        yield list(ids[start : start + size])
