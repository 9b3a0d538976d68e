"""What is in a file: found by its bytes, whatever its name says. Pure functions, no database."""

from layernext.stack.media.found import Look
from layernext.stack.media.look import look_into

__all__ = ["Look", "look_into"]
