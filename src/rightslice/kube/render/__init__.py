"""One renderer a target; each returns manifests as plain data."""
