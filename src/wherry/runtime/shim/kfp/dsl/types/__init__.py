"""`kfp.dsl.types` inside a task."""
