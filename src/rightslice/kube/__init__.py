"""Values to and from Kubernetes manifests; pure."""
