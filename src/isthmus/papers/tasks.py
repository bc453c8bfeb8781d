"""Tasks: small networks with their data, on which methods and claims are tried."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from isthmus.ground import Params, params_of
from isthmus.landscape import Loss
from isthmus.papers.bench import Bench
from isthmus.testing import datasets
from isthmus.testing.schedules import Schedule
from isthmus.testing.training import Criterion, OptimiserFactory, seeded, train
from isthmus.testing.zoo.language import Gpt


@dataclass(frozen=True, eq=False)
class Task:
    """A network that can be trained, and its data.

    Attributes:
        name: For the names of steps: letters, digits and dashes.
        build: Makes the network; its weights depend on torch's random state.
        x: Training inputs, ``(samples, ...)``; so ``y``, their targets.
        x_test: Test inputs; so ``y_test``.
        criterion: Outputs and targets to their mean loss.
        classes: What the targets stand for.
    """

    name: str
    build: Callable[[], nn.Module]
    x: Tensor
    y: Tensor
    x_test: Tensor
    y_test: Tensor
    criterion: Criterion = cross_entropy
    classes: tuple[str, ...] = ()

    def fresh(self, seed: int = 0) -> nn.Module:
        """The network as it is before training."""
        return seeded(self.build, seed)

    def loss(self, samples: int | None = None, *, test: bool = False, batch: int = 500) -> Loss:
        """The loss on the first so many training or test samples, in evaluation mode."""
        x, y = (self.x_test, self.y_test) if test else (self.x, self.y)
        shown = datasets.batches(x[:samples], y[:samples], batch)
        return Loss(self.fresh(), shown, self.criterion)

    def trained(
        self,
        bench: Bench,
        seed: int,
        *,
        epochs: int = 5,
        batch: int = 64,
        lr: float | Schedule = 1e-3,
        optimiser: OptimiserFactory = torch.optim.Adam,
        start: Mapping[str, Tensor] | None = None,
        name: str | None = None,
    ) -> Params:
        """The network after a training: a step of the bench.

        Args:
            bench: Where.
            seed: Of the weights at the start, and of the order of the samples.
            epochs: Passes over the training data.
            batch: Samples a step.
            lr: Step size, or a schedule of it.
            optimiser: Makes it, as ``optimiser(parameters, lr=lr)``.
            start: Begin at these Params; the seed fixes the order alone.
            name: Of the step, where the task's name and the seed do not tell it from others.
        """

        def work() -> Params:
            model = self.fresh(seed)
            if start is not None:
                model.load_state_dict(dict(start))
            train(
                model,
                self.x,
                self.y,
                epochs=epochs,
                batch=batch,
                lr=lr,
                seed=seed,
                criterion=self.criterion,
                optimiser=optimiser,
            )
            return params_of(model)

        return bench.step(name or f"{self.name}-{seed}", work)

    def fewer(self, samples: int | None, tests: int | None = None) -> Task:
        """The same with the first so many samples."""
        return replace(
            self,
            x=self.x[:samples],
            y=self.y[:samples],
            x_test=self.x_test[:tests],
            y_test=self.y_test[:tests],
        )


def perceptron(*widths: int, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Flattened inputs, then linear layers of these widths with activations between them."""
    layers: list[nn.Module] = [nn.Flatten()]
    for n, m in pairwise(widths):
        layers += [nn.Linear(n, m), activation()]
    return nn.Sequential(*layers[:-1])


def fashion_perceptron(*hidden: int) -> Task:
    """A ReLU perceptron on Fashion-MNIST, with hidden layers of these widths."""
    build = partial(perceptron, 784, *hidden, 10)
    return _classified("fashion-perceptron", "fashion-mnist", build)


def digits_perceptron(*hidden: int) -> Task:
    """A ReLU perceptron on the 8 by 8 digits, with hidden layers of these widths."""
    return _classified("digits-perceptron", "digits", partial(perceptron, 64, *hidden, 10))


def image_perceptron(fashion: bool, *hidden: int) -> Task:
    """`fashion_perceptron`, or for a run that takes no time `digits_perceptron`."""
    return fashion_perceptron(*hidden) if fashion else digits_perceptron(*hidden)


def digits_convolution() -> Task:
    """A small convolutional network with BatchNorm, on the 8 by 8 digits."""
    return _classified("digits-convolution", "digits", _convolution)


def tiny_gpt(
    context: int = 32, width: int = 32, blocks: int = 2, text: str = "tinyshakespeare"
) -> Task:
    """A small GPT on the characters of a text, in windows of ``context``."""
    data = datasets.load(text)
    parts = (data.x_train, data.y_train, data.x_test, data.y_test)
    x, y, x_test, y_test = (part.reshape(-1, context) for part in parts)
    sizes = {"heads": 2, "hidden": 2 * width, "vocabulary": len(data.classes)}
    build = partial(Gpt, nn.LayerNorm, blocks, False, width=width, positions=context, **sizes)
    return Task("tiny-gpt", build, x, y, x_test, y_test, per_token, data.classes)


@dataclass(frozen=True)
class GptSettings:
    """A small GPT on a text, trained with Adam at a rate of 0.003.

    Attributes:
        text: Name of the data set.
        width: Of the stream; so ``blocks``.
        context: Characters in a window.
        windows: Training windows; so ``tests``.
        epochs: Of each training.
    """

    text: str = "tinyshakespeare"
    width: int = 32
    blocks: int = 2
    context: int = 32
    windows: int = 4000
    tests: int = 200
    epochs: int = 4

    @property
    def task(self) -> Task:
        """The network and its data."""
        task = tiny_gpt(self.context, self.width, self.blocks, self.text)
        return task.fewer(self.windows, self.tests)


def per_token(outputs: Tensor, targets: Tensor) -> Tensor:
    """Cross entropy of logits ``(samples, tokens, vocabulary)``, the mean over all tokens."""
    return cross_entropy(outputs.flatten(0, -2), targets.flatten())


def _classified(name: str, dataset: str, build: Callable[[], nn.Module]) -> Task:
    data = datasets.load(dataset)
    parts = (data.x_train, data.y_train, data.x_test, data.y_test)
    return Task(name, build, *parts, classes=data.classes)


def _convolution() -> nn.Module:
    images = nn.Unflatten(1, (1, 8))
    first = (nn.Conv2d(1, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(), nn.MaxPool2d(2))
    second = (nn.Conv2d(12, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU())
    return nn.Sequential(
        images, *first, *second, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 10)
    )
