"""The self-hostable stack: its store, and both protocols over HTTP in front of it."""
