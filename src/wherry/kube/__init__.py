"""The waist: Kubernetes objects and the protocol over them.  Modules: `protocol`, `errors`, `resources`, `selectors`,
`patches`, `controller`, and `embedded`, the implementation in this process."""
