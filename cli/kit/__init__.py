"""What the commands share: the opened installation, options, times, choosing by name, and output."""
