"""`make bench`: what is promised about speed and recall, measured beside a reference in the same run."""
