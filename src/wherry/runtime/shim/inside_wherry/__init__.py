"""What `import wherry` finds inside a task; the zip application has these modules under their right names."""
