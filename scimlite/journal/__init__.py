"""The journal: entries about acts and refusals, reports of them, and the refused requests."""

from .brevity import short
from .entries import Action, Entry, Origin, Outcome, Scope, add_names, observe, record

__all__ = ["Action", "Entry", "Origin", "Outcome", "Scope", "add_names", "observe", "record", "short"]
