"""``python -m evals.tried [spelling|synonyms|diversity|priors]``: nDCG@10 of each idea, set by set.

Each is the whole of the product, default reranker and all, with one thing other than it is; the differences are of the
same questions, with the middle 95 % of the bootstrap's.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from evals import sets
from evals.datasets import RetrievalSet
from evals.run import evaluation_embedder
from evals.search import Searchable, answering_to, searchable
from evals.tried import order, spelling, synonyms
from evals.tried.rows import Rankings, Row, questions
from vouch.core.settings import Settings
from vouch.gateway.rerank_document import DocumentReranker

IDEAS: dict[str, Callable[[Searchable, RetrievalSet, Rankings], Iterator[Row]]] = {
    "spelling": spelling.rows,
    "synonyms": synonyms.rows,
    "diversity": order.diversity,
    "priors": order.priors,
}
SETS = ("scifact", "cranfield", "handbook", "handbook-questions", "sec-10q", "xquad-en", "xquad-de", "xquad-es")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m evals.tried", description="Measure ideas for better rankings.")
    parser.add_argument("ideas", nargs="*", metavar="IDEA", help=f"of {', '.join(IDEAS)}; none: all")
    parser.add_argument("--set", nargs="+", choices=SETS, default=SETS, help="these sets alone")
    parser.add_argument("--first", type=int, metavar="N", help="only so many questions of each set")
    arguments = parser.parse_args(argv)
    if unknown := [idea for idea in arguments.ideas if idea not in IDEAS]:
        parser.error(f"{unknown[0]!r} is none of {', '.join(IDEAS)}")
    embedder = evaluation_embedder(Settings())
    for name in arguments.set:
        data = sets.load(name)
        data = replace(data, qrels=dict(islice(data.qrels.items(), arguments.first)))
        with searchable(data.documents, embedder) as found:
            asked = questions(data)
            plain = {one: answering_to(found, text, "hybrid", DocumentReranker()) for one, text in asked.items()}
            for idea in arguments.ideas or IDEAS:
                for row in IDEAS[idea](found, data, plain):
                    print(f"{idea:9} {row}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
