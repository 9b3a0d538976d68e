"""Which objects rows refer to, which are held, and which are to be deleted."""
