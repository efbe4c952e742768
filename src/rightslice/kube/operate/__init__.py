"""What should become of ModelDeployments: pure decisions on one moment of a cluster."""
