"""Models behind one door: embedders, rerankers and chat models."""
