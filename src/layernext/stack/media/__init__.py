"""What is in a file: found by its bytes, whatever its name says. No database."""

from layernext.stack.media.decoder import Decoder
from layernext.stack.media.found import Look
from layernext.stack.media.moving import Move
from layernext.stack.media.picture import Picture, augment, open_image

__all__ = ["Decoder", "Look", "Move", "Picture", "augment", "open_image"]
