"""Annotation sets: prepared, uploaded in batches, read."""
