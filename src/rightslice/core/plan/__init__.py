"""The main job: a fleet and its workloads in, a fitted plan with reasons out."""
