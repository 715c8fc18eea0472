"""GitHub: files, issues, pull requests, discussions and wikis of repositories."""
