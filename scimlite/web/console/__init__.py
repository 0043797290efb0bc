"""The console: the operator's pages at /console/."""
