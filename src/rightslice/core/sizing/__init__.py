"""Memory of one server, term by term, and whether it fits."""
