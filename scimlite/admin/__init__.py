"""The acts of an operator, as functions that commands and console share."""
