"""`kfp.dsl.types` by wherry's name: artifact classes, annotations, and the exception of types that do not fit."""
