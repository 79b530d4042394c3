"""Going back: to an earlier revision of a workload, or to what was before one operation."""
