"""Files, up and down: the engines behind the calls."""
