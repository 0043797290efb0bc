"""Readers: a file for each kind of source; each imports its library when it is opened."""
