"""Train the embedded entailer: ``python -m evals.fit_entail`` writes `vouch/gateway/entail.v1.safetensors` and a JSON.

It learns in cycles. Each goes once over what people wrote and judged, and over claims made wrong by rule, made anew for
it, while the rate of learning rises and falls to nothing; each can be the last. One group of texts in eight is held
out: by it cycles are compared, the threshold is chosen, and the figures in the JSON are told. Evaluation sets take no
part. A cycle takes ten minutes of one core; ``--keep FOLDER`` keeps the state after each, ``--after N`` goes on from
there, and ``--write N`` writes the entailer of cycle N.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import nn

import vouch.gateway
from evals.datasets import data_folder
from evals.entail_calibrating import calibration, measured, read, told, trade_off
from evals.entail_copied import concluded, copied
from evals.entail_net import RANK, Batch, Net, Row, loss, predicted
from evals.entail_pairs import Label, Pair, made, written
from evals.entail_shapes import QUOTE, shapes
from evals.entail_words import LISTS, with_replaced
from evals.groundedness import quality
from vouch.core.types import Json
from vouch.gateway.bert import states
from vouch.gateway.entail import Stated
from vouch.gateway.entail_embedded import (
    CLAIM,
    EVIDENCE,
    SHAPE,
    VERSION,
    EmbeddedEntailer,
    Measured,
    adapted,
    head_of,
    kinds,
    on_openvino,
)
from vouch.gateway.weights import PACKAGED, file_digest, locate
from vouch.gateway.word_pieces import WordPieces

SEED = 20_261_122
CYCLES = 2
RATE = 1.2e-3
WARM = 0.06
BATCH = 32
COPIED_AT_FIRST = 11_000
"""Texts of which a sentence becomes a claim: more in the first cycle, in which it is learnt where to look."""
COPIED = 6_000
CONCLUDED = 600
"""Abstracts of which a conclusion does."""
PROBES = 24
KEPT = 0.95
"""Share of the supported claims, on the mean of all shapes, that must stay above the floor."""
ALLOWED: dict[Label, tuple[float, float, float]] = {
    "supported": (1, 0, 0),
    "contradicted": (0, 1, 0),
    "not_enough": (0, 0, 1),
    "not_supported": (0, 1, 1),
}


def rows(pairs: Sequence[Pair]) -> list[Row]:
    """As the entailer reads them, with what is wrong by word pieces."""
    folder = locate(PACKAGED).folder
    evidence = WordPieces(folder, EVIDENCE + 2).ids([pair.evidence for pair in pairs])
    pieces: Tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    pieces.no_padding()
    pieces.enable_truncation(CLAIM + 2)
    found: list[Row] = []
    for pair, first, claim in zip(pairs, evidence, pieces.encode_batch([p.claim for p in pairs]), strict=True):
        inside = claim.offsets[1:-1]
        known = [-1.0] * len(inside)
        if pair.wrong is not None:
            known = [float(any(start < w.end and end > w.start for w in pair.wrong)) for start, end in inside]
        types = kinds(first, claim.ids[1:])
        found.append(Row([*first, *claim.ids[1:]], types, len(first), ALLOWED[pair.label], known))
    return found


def batches(lengths: Sequence[int], rng: random.Random) -> list[list[int]]:
    """Alike lengths together, within runs of forty batches, in no order."""
    order = rng.sample(range(len(lengths)), len(lengths))
    found: list[list[int]] = []
    for start in range(0, len(order), 40 * BATCH):
        run = sorted(order[start : start + 40 * BATCH], key=lengths.__getitem__)
        found += [run[at : at + BATCH] for at in range(0, len(run), BATCH)]
    return rng.sample(found, len(found))


def material(n: int, data: Path) -> list[Pair]:
    """What cycle ``n`` goes over."""
    rng = random.Random(SEED + n)  # noqa: S311
    found, words = [pair for pair in written(data, n) if not pair.held_out], with_replaced(data) if n else LISTS
    more = (*copied(data, rng, COPIED if n else COPIED_AT_FIRST, words), *concluded(data, rng, CONCLUDED, words))
    return [*found, *made(found, rng, words), *(pair for pair in more if not pair.held_out)]


def train(net: Net, n: int, data: Path) -> None:
    """Cycle ``n``: the same whoever runs it, but for what threads and processors do to sums."""
    rng, ready = random.Random(SEED + n), rows(material(n, data))  # noqa: S311
    plan = batches([len(row.ids) for row in ready], rng)
    parameters = list(net.trained.values())
    optimiser = torch.optim.AdamW(parameters, lr=RATE, weight_decay=0.01)
    began = time.monotonic()
    for step, at in enumerate(plan):
        for group in optimiser.param_groups:
            group["lr"] = RATE * min((step + 1) / (WARM * len(plan)), 1 - step / len(plan))
        batch = Batch.of([ready[i] for i in at])
        logits, words = net(batch)
        wrong = loss(logits, words, batch)
        optimiser.zero_grad()
        wrong.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        if step % 20 == 19:
            took = time.monotonic() - began
            print(f"  {step + 1}/{len(plan)} {float(wrong.detach()):.3f} {took:.0f} s", file=sys.stderr, flush=True)


def by_source(held: Sequence[Pair], found: np.ndarray) -> Json:
    """AUC and best balanced accuracy of each source of the held-out pairs, and of all."""
    figures: Json = {}
    for source in (*sorted({pair.source.split()[0] for pair in held}), ""):
        at = [n for n, pair in enumerate(held) if pair.source.startswith(source)]
        its = quality(np.array([held[n].label == "supported" for n in at]), found[at, 0], None)
        figures[source or "all"] = {
            "pairs": len(at),
            "auc": round(its.auc, 3),
            "best": round(its.best_balanced_accuracy, 3),
        }
    return figures


def exported(net: Net) -> dict[str, np.ndarray]:
    """What was trained, as it is kept: in half of float32's size."""
    return {name: tensor.detach().numpy().astype(np.float16) for name, tensor in net.trained.items()}


def in_float32(trained: dict[str, np.ndarray], measured: Measured) -> tuple[EmbeddedEntailer, EmbeddedEntailer]:
    """The entailer of the very numbers that are kept: in numpy, which runtimes are held against, and a faster one."""
    kept = {name: tensor.astype(np.float32) for name, tensor in trained.items()}
    weights, head = adapted(load_arrays(locate(PACKAGED).folder / "model.safetensors"), kept), head_of(kept)
    exact = EmbeddedEntailer(VERSION, measured, lambda one: states(weights, SHAPE, one), head)
    return exact, EmbeddedEntailer(VERSION, measured, on_openvino(weights, "f32", torch.get_num_threads()), head)


def probes(entailer: EmbeddedEntailer, held: Sequence[Pair]) -> list[Json]:
    """Held-out pairs of every source and length with the support that float32 finds."""
    picked = random.Random(SEED).sample(list(held), PROBES)  # noqa: S311
    judged = entailer.entail([Stated(pair.evidence, pair.claim) for pair in picked])
    return [
        {"evidence": pair.evidence, "claim": pair.claim, "supported": round(one.supported, 5)}
        for pair, one in zip(picked, judged, strict=True)
    ]


def write(net: Net, cycle: int, held: Sequence[Pair], data: Path, folder: Path) -> Json:
    """Adapter and record into ``folder``."""
    trained = exported(net)
    apart = read(in_float32(trained, Measured())[1], shapes(data, SEED))
    calibrated = calibration(apart)
    judged = {name: shape.judged(calibrated) for name, shape in apart.items()}
    curve, beside_quotes = trade_off(judged), trade_off({QUOTE: judged[QUOTE]})
    threshold = max(curve, key=lambda step: curve[step][0] - curve[step][1])
    floor = max((step for step in curve if curve[step][0] >= KEPT and step <= threshold), default=0.0)
    adapter = folder / f"{VERSION}.safetensors"
    save_arrays(trained, adapter)
    body: Json = {
        "version": VERSION,
        "sha256": file_digest(adapter),
        "packaged": locate(PACKAGED).digest,
        "calibration": asdict(calibrated),
        "threshold": threshold,
        "floor": floor,
        "trained": {
            "by": "python -m evals.fit_entail",
            "on": datetime.now(UTC).date().isoformat(),
            "seed": SEED,
            "cycles": cycle + 1,
            "rank": RANK,
            "rate": RATE,
            "held_out": by_source(held, predicted(net, rows(held))),
            "shapes": {shape: measured(*one, threshold) for shape, one in judged.items()},
            "let_through": told(curve, threshold, floor),
            "let_through_beside_quotes": told(beside_quotes, threshold, floor),
        },
        "probes": probes(in_float32(trained, Measured(calibrated))[0], held),
    }
    (folder / f"{VERSION}.json").write_text(json.dumps(body, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return body


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m evals.fit_entail", description="Train the embedded entailer.")
    parser.add_argument("--cycles", type=int, default=CYCLES, help=f"cycles in all (default {CYCLES})")
    parser.add_argument("--keep", type=Path, default=Path("build/entail"), help="folder of the state after each cycle")
    parser.add_argument("--after", type=int, help="go on from the kept state of this cycle")
    parser.add_argument("--write", type=int, help="train nothing: write the entailer of this kept cycle")
    parser.add_argument("--into", type=Path, default=Path(vouch.gateway.__path__[0]), help="folder to write to")
    parser.add_argument("--threads", type=int, default=1, help="of one batch; more than one seldom pays (default 1)")
    given = parser.parse_args(argv)
    torch.set_num_threads(given.threads)
    data, net = data_folder(), Net(SEED)
    held = [pair for pair in written(data) if pair.held_out]
    given.keep.mkdir(parents=True, exist_ok=True)
    last = given.after if given.write is None else given.write
    if last is not None:
        for name, tensor in load_file(given.keep / f"{last}.safetensors").items():
            net.trained[name].data.copy_(tensor)
    for n in range(0 if last is None else last + 1, 0 if given.write is not None else given.cycles):
        train(net, n, data)
        save_file({name: tensor.detach() for name, tensor in net.trained.items()}, given.keep / f"{n}.safetensors")
        print(f"cycle {n}: {json.dumps(by_source(held, predicted(net, rows(held))))}", flush=True)
        last = n
    body = write(net, last or 0, held, data, given.into)
    print(json.dumps({name: part for name, part in body.items() if name != "probes"}, indent=2))


if __name__ == "__main__":
    main()
