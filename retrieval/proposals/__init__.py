"""Questions that a company's own documents propose, for a person to accept into an evaluation set."""
