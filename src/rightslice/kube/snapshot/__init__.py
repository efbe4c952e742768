"""A cluster in one file, and what it means: a fleet, offers, and what a plan would save."""
