"""A chat server of our own: the OpenAI chat-completions protocol on loopback, with scripted behaviour.

For tests, demonstrations and trying a setting without a model. ``honest`` answers from the packed passages by
quoting their best sentences; the others lie or fail in one way each:

    paraphrased         is honest too, in words that are not the passage's own
    insufficient        says that the passages do not answer
    unknown_passage     cites passage ids that were never given
    altered_quote       quotes words that differ from the passage by a digit or a word
    half_true           does so in every claim but the first
    swapped_ids         quotes one passage under the id of another
    uncited             gives claims without citations
    wrong_schema        gives output that is not a draft
    truncated_output    stops in the middle of its output, as a model does at its token limit
    truncated_json      sends half of its HTTP body
    garbage             sends a page of HTML with status 200
    refuses_key         401, with the key in the body
    rate_limited        429
    server_error        500
    held                is honest, once `release` is called
    pauses              is honest, and where its reply is streamed stops in its second claim until `release` is called
    breaks_off          is honest, and where its reply is streamed stops in its second claim for good
    hangs               never answers
    lying               misquotes, invents and swaps, in another way with each request (`fake_lying.py`)
    obedient            does whatever it reads (`fake_obedient.py`): links, pixels, orders, its own instructions told

A reply is streamed where the request asks for that.

``python -m vouch.gateway.fake_chat --behaviour honest --port 8099`` serves until interrupted.
"""

from __future__ import annotations

import argparse
import json
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from vouch.core.sentences import sentences
from vouch.core.types import Json
from vouch.gateway.fake_lying import lie
from vouch.gateway.fake_obedient import obey
from vouch.gateway.fake_streams import streamed

MODEL = "fake-chat-1"
_ENCLOSED = re.compile(
    r"^BEGIN-(?P<nonce>\w+)\n(?P<passages>.*?)\n?^END-(?P=nonce)\n.*?^The question[^\n]*\n(?P<question>.+)",
    re.M | re.S,
)
_WORD = re.compile(r"\w{4,}")
_CLAIMS = 2


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came in, and how many of its script came before it."""

    authorization: str | None
    body: Json
    n: int = 0


class FakeChat:
    """The server, as a context manager. The n-th request meets the n-th of ``behaviours``; the last one stays.

    Raises:
        KeyError: a behaviour that the module does not list.
    """

    def __init__(self, *behaviours: str, port: int = 0) -> None:
        self._script = [_BEHAVIOURS[name] for name in behaviours or ("honest",)]
        self._stopping, self._released = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self.received: list[Received] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="fake-chat", daemon=True)

    @property
    def url(self) -> str:
        """What ``VOUCH_CHAT_URL`` is set to."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def behave(self, *behaviours: str) -> None:
        """Begin another script; what was received is forgotten. Raises as the constructor does."""
        script = [_BEHAVIOURS[name] for name in behaviours]
        self._released.clear()
        with self._lock:
            self._script = script
            self.received.clear()

    def release(self) -> None:
        """Let every answer that is held go, and those of this script that come."""
        self._released.set()

    def __enter__(self) -> FakeChat:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _next(self, authorization: str | None, body: Json) -> tuple[Received, _Behaviour]:
        with self._lock:
            received = Received(authorization, body, len(self.received))
            self.received.append(received)
            return received, self._script[min(len(self.received), len(self._script)) - 1]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                received, behaviour = fake._next(self.headers["Authorization"], body)
                if self.path != "/v1/chat/completions":
                    self._send(404, "application/json", b'{"error": {"message": "no such path"}}')
                elif behaviour.hangs:
                    fake._stopping.wait()
                else:
                    if behaviour.held:
                        fake._released.wait()
                    self._answer(behaviour, behaviour.respond(received), aloud=bool(body.get("stream")))

            def _answer(self, behaviour: _Behaviour, data: bytes, *, aloud: bool) -> None:
                if not aloud or behaviour.status != 200 or behaviour.mime != "application/json":
                    self._send(behaviour.status, behaviour.mime, data)
                    return
                first, rest = streamed(data)
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()  # without a length: it ends with the connection
                self.wfile.write(first)
                if behaviour.pauses:
                    fake._released.wait()
                if not behaviour.breaks_off:
                    self.wfile.write(rest)

            def _send(self, status: int, mime: str, data: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", mime)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet: what came in is in :attr:`FakeChat.received`."""

        return Handler


@dataclass(frozen=True, slots=True)
class _Behaviour:
    respond: Callable[[Received], bytes]
    status: int = 200
    mime: str = "application/json"
    hangs: bool = False
    held: bool = False
    pauses: bool = False
    breaks_off: bool = False


def _drafting(change: Callable[[Json, list[Json]], Json]) -> _Behaviour:
    """Answers honestly, then lets ``change(draft, passages)`` spoil it."""

    def respond(received: Received) -> bytes:
        question, passages = _read(received.body)
        return _completion(received.body, json.dumps(change(_honest(question, passages), passages)))

    return _Behaviour(respond)


def _failing(status: int, message: Callable[[Received], str]) -> _Behaviour:
    return _Behaviour(lambda received: json.dumps({"error": {"message": message(received)}}).encode(), status)


def _read(body: Json) -> tuple[str, list[Json]]:
    """The question and the passages in the enclosure of the first user message."""
    content = next(m["content"] for m in body["messages"] if m["role"] == "user")
    found = _ENCLOSED.search(content)
    if found is None:
        raise ValueError("the request holds no enclosure of passages")
    passages = [json.loads(line) for line in found["passages"].split("\n") if line]
    return json.loads(found["question"]), passages


def _honest(question: str, passages: Sequence[Json]) -> Json:
    """Up to two sentences that share most words with the question, verbatim, best first."""
    wanted = _words(question)
    scored = [
        (len(wanted & _words(sentence)), passage["id"], sentence)
        for passage in passages
        for sentence in (span.of(passage["text"]) for span in sentences(passage["text"]))
    ]
    best = sorted((s for s in scored if s[0]), key=lambda s: -s[0])[:_CLAIMS]
    claims = [{"text": text, "citations": [{"passage": passage, "quote": text}]} for _, passage, text in best]
    return {"claims": claims, "insufficient": not claims, "missing": None if claims else question}


def _words(text: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(text)}


def _completion(body: Json, output: str, finish: str = "stop") -> bytes:
    """A response object whose output is a call of the offered tool, or the text where none is offered."""
    message: Json = {"role": "assistant", "content": output}
    if tools := body.get("tools"):
        call = {
            "id": "call_1",
            "type": "function",
            "function": {"name": tools[0]["function"]["name"], "arguments": output},
        }
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
        finish = "tool_calls" if finish == "stop" else finish
    prompt = sum(len(str(m.get("content"))) for m in body["messages"]) // 4
    written = max(len(output) // 4, 1)
    usage = {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    reply = {"id": "fake-1", "object": "chat.completion", "created": 0, "model": MODEL, "choices": [choice]}
    return json.dumps({**reply, "usage": usage}).encode()


def _each_citation(draft: Json, change: Callable[[Json], Json]) -> Json:
    claims = [{**claim, "citations": [change(c) for c in claim["citations"]]} for claim in draft["claims"]]
    return {**draft, "claims": claims}


def _altered(quote: str) -> str:
    if digit := re.search(r"\d", quote):
        return f"{quote[: digit.start()]}{(int(digit[0]) + 1) % 10}{quote[digit.end() :]}"
    first, _, rest = quote.partition(" ")
    return f"{first} never {rest}"


def _paraphrased(draft: Json, _: list[Json]) -> Json:
    return {**draft, "claims": [{**c, "text": turned(c["text"])} for c in draft["claims"]]}


def turned(text: str) -> str:
    """Its words in another order: the last ones first."""
    words = text.rstrip(".").split()
    half = -(-len(words) // 2)
    return f"As it stands, {' '.join(words[half:])}: {' '.join(words[:half])}."


def _half_true(draft: Json, _: list[Json]) -> Json:
    altered = _each_citation(draft, lambda c: {**c, "quote": _altered(c["quote"])})
    return {**draft, "claims": [*draft["claims"][:1], *altered["claims"][1:]]}


def _swapped(draft: Json, passages: list[Json]) -> Json:
    ids = [passage["id"] for passage in passages]
    after = dict(zip(ids, ids[1:] + ids[:1], strict=True))
    return _each_citation(draft, lambda c: {**c, "passage": after[c["passage"]]})


def _cut(received: Received) -> bytes:
    output = json.dumps(_honest(*_read(received.body)))
    return _completion(received.body, output[: len(output) // 2], finish="length")


def _obedient(received: Received) -> bytes:
    return _completion(received.body, json.dumps(obey(*_read(received.body), _instructions(received))))


def _lying(received: Received) -> bytes:
    return _completion(received.body, json.dumps(lie(received.n, *_read(received.body), _instructions(received))))


def _instructions(received: Received) -> str:
    return "\n".join(str(m["content"]) for m in received.body["messages"] if m["role"] == "system")


def _half(received: Received) -> bytes:
    whole = _completion(received.body, json.dumps(_honest(*_read(received.body))))
    return whole[: len(whole) // 2]


_BEHAVIOURS = {
    "honest": _drafting(lambda draft, _: draft),
    "paraphrased": _drafting(_paraphrased),
    "insufficient": _drafting(lambda _, __: {"claims": [], "insufficient": True, "missing": "the figure asked for"}),
    "unknown_passage": _drafting(lambda draft, _: _each_citation(draft, lambda c: {**c, "passage": "p-none"})),
    "altered_quote": _drafting(lambda draft, _: _each_citation(draft, lambda c: {**c, "quote": _altered(c["quote"])})),
    "half_true": _drafting(_half_true),
    "swapped_ids": _drafting(_swapped),
    "uncited": _drafting(lambda draft, _: {**draft, "claims": [{**c, "citations": []} for c in draft["claims"]]}),
    "wrong_schema": _drafting(lambda _, __: {"answer": "forty-two"}),
    "truncated_output": _Behaviour(_cut),
    "truncated_json": _Behaviour(_half),
    "garbage": _Behaviour(lambda _: b"<html><body>It works!</body></html>", mime="text/html"),
    "refuses_key": _failing(401, lambda received: f"Incorrect API key provided: {received.authorization}"),
    "rate_limited": _failing(429, lambda _: "Rate limit reached"),
    "server_error": _failing(500, lambda _: "The server had an error"),
    "held": replace(_drafting(lambda draft, _: draft), held=True),
    "pauses": replace(_drafting(lambda draft, _: draft), pauses=True),
    "breaks_off": replace(_drafting(lambda draft, _: draft), breaks_off=True),
    "obedient": _Behaviour(_obedient),
    "lying": _Behaviour(_lying),
    "hangs": _Behaviour(lambda _: b"", hangs=True),
}
BEHAVIOURS = tuple(_BEHAVIOURS)


def main() -> None:
    """Serve one behaviour until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--behaviour", choices=BEHAVIOURS, default="honest")
    parser.add_argument("--port", type=int, default=8099)
    chosen = parser.parse_args()
    with FakeChat(chosen.behaviour, port=chosen.port) as server:
        print(f"{chosen.behaviour} at {server.url}", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("stopped", flush=True)


if __name__ == "__main__":
    main()
