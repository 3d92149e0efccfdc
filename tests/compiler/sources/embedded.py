"""Files that travel inside of components."""
import os

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Output

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "files", "assets")


@dsl.component(embedded_artifact_path=FOLDER)
def folder(assets: dsl.EmbeddedInput[Dataset], n: int = 1) -> int:
    import os

    from lib.counting import count

    return n * count(os.path.join(assets.path, "words.txt"))


@dsl.component(embedded_artifact_path=os.path.join(FOLDER, "words.txt"))
def file(words: dsl.EmbeddedInput[Artifact], out: Output[Dataset]):
    import shutil

    shutil.copy(words.path, out.path)


@dsl.component(embedded_artifact_path=os.path.join(FOLDER, "lib"), packages_to_install=["a"])
def as_a_library(text: str) -> str:
    import counting

    return f"{text} {counting.__name__}"


@dsl.component(embedded_artifact_path=FOLDER + os.sep, target_image="registry/own:1")
def in_an_image_of_its_own(n: int):
    pass


@dsl.pipeline
def with_files():
    as_a_library(text=f"{folder(n=2).output}")
    file()


def refuse_file_that_is_not_there():
    @dsl.component(embedded_artifact_path=os.path.join(FOLDER, "not-there"))
    def component():
        pass
