"""Requests of the published protocol: their messages are built here, one noun a file, and nowhere else."""
