"""What user code inside a task finds as `kfp` and `wherry`; the zip application has these modules at its root."""
