"""Tests of the gateway: weights, preparation, rerankers."""
