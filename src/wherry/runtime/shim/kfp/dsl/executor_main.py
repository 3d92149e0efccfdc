"""`python3 -m kfp.dsl.executor_main` inside a task."""

from wherry.runtime.executor_main import main as executor_main

__all__ = ["executor_main"]

if __name__ == "__main__":
    executor_main()
