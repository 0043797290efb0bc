"""Stores users, groups and other resources: reading, writing and searching."""
