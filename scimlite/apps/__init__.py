"""Apps, the connections from identity providers: features, mapping, tokens."""

from .app import App, AppError, by_id, ever, every, find, get, lock, named, update

__all__ = ["App", "AppError", "by_id", "ever", "every", "find", "get", "lock", "named", "update"]
