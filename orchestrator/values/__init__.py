"""Plain values and what all rooms share: no input or output, and nothing of ours is imported here."""
