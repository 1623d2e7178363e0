"""Pages and figures of studies and benchmarks."""
