"""The database's history: numbered files, each a step from one shape of the tables to the next."""
