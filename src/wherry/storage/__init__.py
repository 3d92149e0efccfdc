"""Where wherry keeps things: the database (`storage.database` and one small module a table) and the artifact store."""
