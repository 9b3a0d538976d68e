"""What is in a file: found by its bytes, whatever its name says. Pure functions, no database."""

from layernext.stack.media.found import Look
from layernext.stack.media.look import look_into
from layernext.stack.media.moving import Move
from layernext.stack.media.picture import Picture, augment, open_image

__all__ = ["Look", "Move", "Picture", "augment", "look_into", "open_image"]
