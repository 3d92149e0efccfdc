"""The pipelines that the benchmarks and the soak run, each as its user would write it."""
