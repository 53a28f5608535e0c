"""Parameter-space symmetry and mode connectivity."""
