"""Directories that are read into an app (sources), and servers that an app is pushed to (targets)."""
