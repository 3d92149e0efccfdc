"""Claims whose names come from everywhere, to be run."""

from wherry import dsl
from wherry.dsl import kubernetes

MODES = ["ReadWriteOnce"]


@dsl.component
def append(path: str, text: str):
    with open(path, "a") as file:
        file.write(text)


@dsl.component
def read(path: str) -> str:
    with open(path) as file:
        return file.read()


@dsl.component
def say(text: str) -> str:
    return text


@dsl.pipeline
def reader(claim: str, mode: str) -> str:
    with dsl.If(mode == "twice"):
        task = append(path="/wh-in/note", text="!")
        kubernetes.mount_pvc(task, claim, "/wh-in")
    last = kubernetes.mount_pvc(read(path="/wh-in/note"), claim, "/wh-in").after(say(text=mode))
    return last.output


@dsl.pipeline
def across_groups(mode: str = "once", name: str = "claim-one") -> str:
    one = kubernetes.CreatePVC(pvc_name=name, access_modes=MODES, size="1Gi")
    other = kubernetes.CreatePVC(pvc_name_suffix="-other", access_modes=MODES, size="1Gi")
    with dsl.ParallelFor([{"claim": "claim-one", "text": "a"}]) as item:
        first = kubernetes.mount_pvc(append(path="/wh-item/note", text=item.text), item.claim, "/wh-item").after(one)
        with dsl.If(mode == "once"):
            inside = kubernetes.mount_pvc(append(path="/wh-one/note", text="b").after(first), one.output, "/wh-one")
            kubernetes.mount_pvc(inside, other.output, "/wh-other")
            again = kubernetes.mount_pvc(append(path="/wh-name/note", text="c"), name, "/wh-name").after(inside)
            with dsl.ParallelFor([1]):
                said = say(text="claim-one")
                deep = append(path="/wh-deep/note", text="d").after(again)
                kubernetes.mount_pvc(deep, said.output, "/wh-deep")
    result = reader(claim=one.output, mode=mode).after(first)
    kubernetes.DeletePVC(pvc_name=other.output).after(result)
    return result.output
