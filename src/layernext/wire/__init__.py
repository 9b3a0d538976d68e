"""Messages and codes of both protocols: `native` and `published`."""
