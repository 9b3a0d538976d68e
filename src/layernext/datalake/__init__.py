"""Where scripts for the published clients import their constants from; see `constants`."""
