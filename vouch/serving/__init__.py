"""What every HTTP service of ours shares: problem+json, bounded bodies, metrics, health."""
