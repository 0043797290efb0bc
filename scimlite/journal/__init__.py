"""What happened: entries, their report, and refused requests."""

from .entries import Action, Entry, Origin, Outcome, known_as, record, record_alone

__all__ = ["Action", "Entry", "Origin", "Outcome", "known_as", "record", "record_alone"]
