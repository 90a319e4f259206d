"""Negative sampling, the loop, checkpoints."""
