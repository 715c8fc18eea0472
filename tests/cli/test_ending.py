"""How `vouch up` ends. A file of its own, for it starts platforms of its own, beside the one of the other files."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import httpx

from tests.cli.conftest import up


def test_sigterm_ends_it_within_ten_seconds_with_work_in_hand_and_a_stream_open(tmp_path: Path, models: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / ".vouch.yaml").write_text("access: {allow: [authenticated]}\n")
    for n in range(80):
        (docs / f"{n}.md").write_text(f"# Page {n}\n\n" + f"Sentence number {n} of this page says little. " * 60)
    with up(tmp_path / "data", models, VOUCH_LEASE_S="4") as platform:
        vouch = platform.vouch
        vouch.ok("source", "add", "filesystem", "docs", str(docs))
        job = json.loads(vouch.ok("source", "sync", "docs", "--no-wait", "--json"))
        key = (vouch.data_dir / "admin.key").read_text().strip()
        path = f"{platform.url}/v1/jobs/{job['job_id']}/events"
        with httpx.stream("GET", path, headers={"Authorization": f"Bearer {key}"}, timeout=30) as stream:
            lines = stream.iter_lines()
            assert next(lines) == "event: progress"
            asked = time.monotonic()
            platform.process.send_signal(signal.SIGTERM)
            assert platform.process.wait(timeout=10) == 0
            assert time.monotonic() - asked < 10
            assert "event: end" not in list(lines)
    with up(tmp_path / "data", models, VOUCH_LEASE_S="4") as again:
        ended = json.loads(again.vouch.ok("job", "watch", job["job_id"], "--json"))
        assert ended["counts"]["published"] == 80
        assert json.loads(again.vouch.ok("index", "verify", "--json"))["clean"]
