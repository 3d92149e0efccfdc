"""`kfp.components` inside a task: where KFP before 2.1 had its executor; anything else is the real package's."""

from wherry.runtime import handover

__getattr__ = handover.components_attribute
