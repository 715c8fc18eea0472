"""Documents that say nearly the same: found by MinHash, compared by their shingles, read for contradicting figures."""
