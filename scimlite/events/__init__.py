"""What goes out to the application."""
