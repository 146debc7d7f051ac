"""A release: a snapshot, a person's name, and the figures as they were, in one page that never changes."""
