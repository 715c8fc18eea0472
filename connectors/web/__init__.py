"""A web site: what its sitemaps name and its pages link to."""
