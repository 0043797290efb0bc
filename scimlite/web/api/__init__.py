"""What the application reads: profiles, groups, and the feed of events."""
