"""GitLab: files, issues, merge requests and the wiki of projects."""
