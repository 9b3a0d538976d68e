"""The way from an empty database, or an older version's, to the tables in `schema`."""
