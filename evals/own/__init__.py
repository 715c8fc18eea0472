"""A company's own evaluation set: proposed by its platform, accepted by a person, put to the platform that runs."""
