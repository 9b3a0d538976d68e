"""What is in a file: found by its bytes, whatever its name says. Pure functions, no database."""

from layernext.stack.media.look import Look, look_into

__all__ = ["Look", "look_into"]
