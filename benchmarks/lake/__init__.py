"""The lake's benchmarks: they need an object store, and nothing else."""
