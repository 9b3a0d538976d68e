"""Files of images: on their way, stored, listed."""
