"""The journal: entries about acts and refusals, reports of them, and the refused requests."""

from .brevity import short
from .entries import Action, Entry, Outcome, Scope, add_names, observe, record
from .origin import Actor, Origin

__all__ = ["Action", "Actor", "Entry", "Origin", "Outcome", "Scope", "add_names", "observe", "record", "short"]
