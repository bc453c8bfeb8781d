"""modules_of: modules of a model by name."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from isthmus.ground import UnknownName, closest


def modules_of(
    model: nn.Module, names: Sequence[str] | None = None, kinds: tuple[type[nn.Module], ...] = ()
) -> dict[str, nn.Module]:
    """The modules of these names.

    Args:
        model: The model.
        names: As in ``model.named_modules()``; None takes all of ``kinds``, or without them all
            that hold no others.
        kinds: Classes of modules.

    Raises:
        UnknownName: There is none of a name.
    """
    every = dict(model.named_modules())
    if names is None:
        return {
            name: module
            for name, module in every.items()
            if (isinstance(module, kinds) if kinds else name and not list(module.children()))
        }
    for name in names:
        if name not in every:
            near = closest(name, every)
            raise UnknownName(
                f"unknown module {name!r}",
                f"did you mean {near!r}?" if near else "use names of model.named_modules()",
            )
    return {name: every[name] for name in names}
