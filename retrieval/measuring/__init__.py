"""A tenant's own evaluation sets, put to the index that is asked, by the process that answers questions."""
