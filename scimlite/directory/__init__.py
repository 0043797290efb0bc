"""Users, groups and other resources at rest: read, written, searched."""
