"""`python3 -m kfp.components.executor_main` inside a task: KFP before 2.1 wrote it so."""

from wherry.runtime.executor_main import main as executor_main

__all__ = ["executor_main"]

if __name__ == "__main__":
    executor_main()
