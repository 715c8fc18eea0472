"""Ideas for better rankings, each measured against the product as it is: mistyped questions, related words, variety
among the first hits, priors of authority and recency. `docs/measurements.md` says what came of them."""
