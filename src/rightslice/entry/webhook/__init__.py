"""The admission webhook: a small server that fits a vLLM pod's GPU request as it is created."""
