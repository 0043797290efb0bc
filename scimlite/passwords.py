"""Passwords for the embedding application: `verify` says whether one lets a user in."""

from .directory.passwords import verify

__all__ = ["verify"]
