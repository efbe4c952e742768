"""What the admission webhook does with a pod, as pure functions of the pod and the cluster."""
