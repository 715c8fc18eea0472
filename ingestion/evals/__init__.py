"""A tenant's own evaluation sets: given, scheduled, and who is told of drift. They are run where questions are."""
