"""A live cluster, through its API server."""
