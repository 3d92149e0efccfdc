"""`wherry` inside a task: `wherry.dsl` and the runtime, nothing that runs pipelines."""


def __getattr__(name: str) -> object:
    if name == "dsl":
        import importlib

        return importlib.import_module("wherry.dsl")
    if name.startswith("__"):
        raise AttributeError(name)
    raise ImportError(f"wherry.{name} is not available inside a task: only wherry.dsl is", name=f"wherry.{name}")
