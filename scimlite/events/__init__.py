"""Events that the application gets."""
