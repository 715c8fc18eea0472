"""The projection: one protocol, Qdrant Edge and Qdrant behind it, and the projector that feeds it."""
