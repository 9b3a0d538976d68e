"""HTTP: both protocols, in front of one store. No handler sees a database connection."""
