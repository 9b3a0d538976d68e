"""What goes with what is deleted."""
