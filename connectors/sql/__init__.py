"""A database: rows of a query as documents, by a template."""
