"""What every format is built from: samples, losses, streams, targets, and the record that a format is."""
