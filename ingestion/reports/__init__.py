"""Reports: what the owners of documents should look at."""
