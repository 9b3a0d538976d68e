"""HTTP: the routes of both protocols, credentials, errors, and the stack's own description."""
