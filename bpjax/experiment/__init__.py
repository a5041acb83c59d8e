"""Experiments of the user's own, from files: read, checked, and made into tasks."""
