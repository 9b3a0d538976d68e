"""Labels, their attributes, values and references."""
