"""From what a user has of a tissue to a preset that makes more of it."""
