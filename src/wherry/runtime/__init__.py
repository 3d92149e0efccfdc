"""What runs inside a task: KFP's executor contract, standard library only, Python 3.9 and later.

Entry points: `wherry.runtime.main.run` (in a task), `wherry.runtime.zipapp.build` (makes the zip application).
"""
