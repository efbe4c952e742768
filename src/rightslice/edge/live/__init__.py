"""What a cluster tells of the slices that exist and of who runs in them; one reader a source."""
