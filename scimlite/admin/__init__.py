"""What an operator does, for the commands and the console alike."""
