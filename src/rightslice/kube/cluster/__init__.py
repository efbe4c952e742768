"""A cluster as a value: what its nodes hand out, what is free, and who may use it."""
