"""Where slices go: legal layouts, the driver's placement rule, and exact offline packing."""
