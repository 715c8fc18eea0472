"""Confluence Cloud: pages, blog posts with their comments, and attachments."""
