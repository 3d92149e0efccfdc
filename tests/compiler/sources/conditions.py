"""If, Elif, Else, with every operator and kind of operand."""
from kfp import dsl


@dsl.component
def flip() -> str:
    return "heads"


@dsl.component
def number() -> int:
    return 3


@dsl.component
def real() -> float:
    return 0.5


@dsl.component
def flag() -> bool:
    return True


@dsl.component
def show(text: str = "", n: int = 0):
    print(text)


@dsl.component
def echo(text: str) -> str:
    return text


@dsl.pipeline
def operators(x: int = 1, s: str = "a"):
    n = number()
    with dsl.If(n.output == 1):
        show(text="1")
    with dsl.If(n.output != 1):
        show(text="2")
    with dsl.If(n.output > 1, name="greater"):
        show(text="3")
    with dsl.If(n.output >= 1):
        show(text="4")
    with dsl.If(n.output < x):
        show(text="5")
    with dsl.If(x <= n.output):
        show(text="6")
    with dsl.If(s == 'it is "s"'):
        show(text=s)
    with dsl.If("b" == s):
        show()


@dsl.pipeline
def promotions(i: int = 1, f: float = 1.5, b: bool = True, s: str = "x"):
    with dsl.If(i == 1.5):
        show()
    with dsl.If(i == f):
        show()
    with dsl.If(f == 1):
        show()
    with dsl.If(s == 1):
        show()
    with dsl.If(s == 1.5):
        show()
    with dsl.If(s == True):
        show()
    with dsl.If(s == i):
        show()
    with dsl.If(s == f):
        show()
    with dsl.If(s == b):
        show()
    with dsl.If(b == True):
        show()
    with dsl.If(b == 1):
        show()
    with dsl.If(b == 0):
        show()
    with dsl.If(i == -5):
        show()
    with dsl.If(f == 1e20):
        show()
    with dsl.If(real().output > 0.25):
        show()
    with dsl.If(flag().output == False):
        show()


@dsl.pipeline
def nested(s: str):
    f = flip()
    with dsl.If(f.output == "heads"):
        n = number()
        with dsl.If(n.output > 3):
            with dsl.If(s != "x"):
                show(text=f.output, n=n.output)
            show(text=s)
        echo(text=f.output)


@dsl.pipeline
def with_else():
    f = flip()
    with dsl.If(f.output == "heads"):
        show(text="h")
    with dsl.Else():
        show(text="t")
    show(text="after")


@dsl.pipeline
def with_elifs(x: int, s: str = "z"):
    f = flip()
    n = number()
    with dsl.If(f.output == "heads", name="first"):
        show(text="h")
    with dsl.Elif(n.output > 2, name="second"):
        show(text=s, n=n.output)
    with dsl.Elif(x == 4):
        show(text="x")
    with dsl.Else(name="last"):
        show(text="t")
    show(text="after").after(f)


@dsl.pipeline
def elif_without_else(x: int):
    with dsl.If(x == 1):
        show(text="1")
    with dsl.Elif(x == 2):
        show(text="2")


@dsl.pipeline
def goes_on_after_elif(x: int):
    with dsl.If(x == 1):
        show(text="1")
    with dsl.Elif(x == 2):
        show(text="2")
    show(text="3")


@dsl.pipeline
def two_ladders(x: int):
    with dsl.If(x == 1):
        show(text="1")
    with dsl.Else():
        show(text="2")
    with dsl.If(x == 3):
        show(text="3")
    with dsl.Elif(x == 4):
        show(text="4")
    with dsl.Else():
        with dsl.If(x == 5):
            show(text="5")
        with dsl.Else():
            show(text="6")


@dsl.pipeline
def older_name():
    f = flip()
    with dsl.Condition(f.output == "heads", "named"):
        show()


@dsl.pipeline
def dependencies():
    f = flip()
    a = echo(text="a").after(f)
    with dsl.If(f.output == "heads"):
        b = echo(text=a.output)
        c = show(text=b.output).after(a)
        show().after(c, b)
    show().after(a)


@dsl.pipeline
def deep_values(x: int, y: str):
    f = flip()
    with dsl.If(x == 1):
        with dsl.If(f.output == "heads"):
            with dsl.If(y == "z"):
                show(text=f.output, n=x)
            show(text=y)
