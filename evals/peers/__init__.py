"""`make bench-peers`: other retrieval stacks on the same data with the same weights, beside Vouch in the same run."""
