"""For tests of wherry and of what is built on it: a clock, ids, waiting (`clock`), and contract suites
(`kube_contract`)."""

from wherry.testing.clock import ManualClock, SequentialIds, until

__all__ = ["ManualClock", "SequentialIds", "until"]
