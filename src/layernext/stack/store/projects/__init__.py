"""Annotation projects and their tasks."""
