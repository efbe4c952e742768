"""The smallest and cheapest offer that holds a load within its latency targets."""
