"""Handwritten digits: load, train under several settings, pick the best, evaluate, and export it if it is good enough.

Run it with `make demo`, or `wherry run examples/digits/flow.py`.  The data are the 1,797 images of scikit-learn,
so nothing is fetched but the packages.  Each step names what it needs; nothing here says where it runs.
"""

from typing import NamedTuple

from wherry import dsl
from wherry.dsl import HTML, ClassificationMetrics, Dataset, Input, Metrics, Model, Output

PACKAGES = ["scikit-learn==1.7.2", "numpy==2.2.6"]

SETTINGS = [
    {"name": "linear", "kernel": "linear", "c": 1.0, "gamma": 0.001},
    {"name": "narrow", "kernel": "rbf", "c": 10.0, "gamma": 0.02},
    {"name": "medium", "kernel": "rbf", "c": 10.0, "gamma": 0.001},
    {"name": "wide", "kernel": "rbf", "c": 1.0, "gamma": 0.0001},
]


@dsl.component(packages_to_install=PACKAGES)
def load(test_fraction: float, seed: int, train: Output[Dataset], test: Output[Dataset]) -> int:
    """Splits the digits into a training and a test set, and returns how many images there are."""
    import numpy as np
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    split = train_test_split(
        digits.data, digits.target, test_size=test_fraction, random_state=seed, stratify=digits.target
    )
    for part, images, labels in ((train, split[0], split[2]), (test, split[1], split[3])):
        with open(part.path, "wb") as file:
            np.savez_compressed(file, images=images, labels=labels)
        part.metadata["images"] = len(labels)
    return len(digits.target)


@dsl.component(packages_to_install=PACKAGES)
def fit(train: Input[Dataset], setting: dict, folds: int, model: Output[Model], metrics: Output[Metrics]) -> float:
    """Trains a support vector machine under one setting and returns its cross-validated accuracy."""
    import pickle

    import numpy as np
    from sklearn.model_selection import cross_val_score
    from sklearn.svm import SVC

    data = np.load(train.path)
    machine = SVC(kernel=setting["kernel"], C=setting["c"], gamma=setting["gamma"])
    scores = cross_val_score(machine, data["images"], data["labels"], cv=folds)
    machine.fit(data["images"], data["labels"])
    with open(model.path, "wb") as file:
        pickle.dump(machine, file)
    score = float(scores.mean())
    model.metadata.update(setting=setting["name"], score=score)
    metrics.log_metric("cross_validated_accuracy", score)
    metrics.log_metric("support_vectors", int(machine.n_support_.sum()))
    print(f"{setting['name']}: {score:.4f} (+/- {scores.std():.4f} over {folds} folds)")
    return score


@dsl.component
def pick(models: Input[list[Model]], scores: list, best: Output[Model]) -> str:
    """Copies the model with the highest score, and returns the name of its setting."""
    import shutil

    winner = max(range(len(scores)), key=scores.__getitem__)
    shutil.copyfile(models[winner].path, best.path)
    best.metadata.update(models[winner].metadata)
    return str(models[winner].metadata["setting"])


@dsl.component(packages_to_install=PACKAGES)
def evaluate(
    model: Input[Model], test: Input[Dataset], confusion: Output[ClassificationMetrics], mistakes: Output[HTML]
) -> float:
    """Accuracy on images the model has not seen, the confusion matrix, and a page with the digits it got wrong."""
    import pickle

    import numpy as np
    from sklearn.metrics import confusion_matrix

    with open(model.path, "rb") as file:
        machine = pickle.load(file)
    data = np.load(test.path)
    images, labels = data["images"], data["labels"]
    guesses = machine.predict(images)
    confusion.log_confusion_matrix([str(digit) for digit in range(10)], confusion_matrix(labels, guesses).tolist())
    figures = []
    for image, label, guess in zip(images, labels, guesses, strict=True):
        if label == guess:
            continue
        pixels = "".join(
            f'<rect x="{i % 8}" y="{i // 8}" width="1" height="1" fill="rgb({shade},{shade},{shade})"/>'
            for i, shade in enumerate(255 - (image * 255 / 16).astype(int))
        )
        figures.append(
            f'<figure><svg viewBox="0 0 8 8" width="96">{pixels}</svg>'
            f"<figcaption>{label}, taken for {guess}</figcaption></figure>"
        )
    accuracy = float((guesses == labels).mean())
    with open(mistakes.path, "w") as file:
        file.write(f"<h1>{len(figures)} of {len(labels)} wrong ({accuracy:.2%} right)</h1>{''.join(figures)}")
    print(f"accuracy on {len(labels)} unseen images: {accuracy:.4f}")
    return accuracy


@dsl.component
def export(model: Input[Model], accuracy: float, exported: Output[Model]):
    """Hands the model over: the file, and beside it in the metadata what is known about it."""
    import shutil

    shutil.copyfile(model.path, exported.path)
    exported.metadata.update(model.metadata)
    exported.metadata["accuracy"] = accuracy
    print(f"exported to {exported.uri}")


class Result(NamedTuple):
    accuracy: float
    setting: str


@dsl.pipeline(name="digits", description="Classify handwritten digits")
def digits(
    settings: list = SETTINGS, test_fraction: float = 0.25, seed: int = 7, folds: int = 5, good_enough: float = 0.95
) -> Result:
    data = load(test_fraction=test_fraction, seed=seed)
    with dsl.ParallelFor(settings, name="settings") as setting:
        trained = fit(train=data.outputs["train"], setting=setting, folds=folds)
    best = pick(models=dsl.Collected(trained.outputs["model"]), scores=dsl.Collected(trained.outputs["Output"]))
    tested = evaluate(model=best.outputs["best"], test=data.outputs["test"])
    with dsl.If(tested.outputs["Output"] >= good_enough, name="good-enough"):
        export(model=best.outputs["best"], accuracy=tested.outputs["Output"])
    return Result(accuracy=tested.outputs["Output"], setting=best.outputs["Output"])
