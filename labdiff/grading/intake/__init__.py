"""From submissions on disk to questions with answers."""
