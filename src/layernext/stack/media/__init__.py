"""What is in a file: found by its bytes, whatever its name says. No database."""

from layernext.stack.media.decoder import Decoder
from layernext.stack.media.found import Look, NotAugmentable, Picture
from layernext.stack.media.moving import Move, move_into

__all__ = ["Decoder", "Look", "Move", "NotAugmentable", "Picture", "move_into"]
