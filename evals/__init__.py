"""Quality on public data: datasets, measures, runs and gates. TREC's words (run, qrels, measure) live here alone."""
