"""What is read alike of every place that keeps repositories: their files, who owns them, and the talk about them."""
