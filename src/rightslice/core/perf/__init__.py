"""Speed of one server: step time, TPOT, TTFT, throughput, knee, with bands."""
