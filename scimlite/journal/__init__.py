"""What happened: entries, their report, and refused requests."""

from .entries import Action, Entry, Origin, Outcome, Scope, known_as, observe, record

__all__ = ["Action", "Entry", "Origin", "Outcome", "Scope", "known_as", "observe", "record"]
