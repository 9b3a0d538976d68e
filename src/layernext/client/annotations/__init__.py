"""Annotation sets, up and down: the engines behind the calls, and the logger of a run."""
