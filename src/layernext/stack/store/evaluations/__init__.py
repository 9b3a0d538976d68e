"""Evaluations: their rows, their data, and statistics of runs."""
