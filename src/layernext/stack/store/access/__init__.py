"""Users, keys, sessions and grants; the log of what they did, and answers to requests that come again."""
