"""Capture: a module and an example become a `Program`, by ``torch.export`` (not decomposed).

Where export fails (control flow that depends on data), the executed path is recorded instead.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor, fx, nn
from torch.export.graph_signature import OutputKind
from torch.utils._pytree import tree_leaves

from isthmus.discovery.calls import bind, kept_names, name_of, shape_of
from isthmus.discovery.exporting import check_state, exported
from isthmus.discovery.program import Op, Program, Ref, Shape
from isthmus.discovery.recorder import record
from isthmus.ground.errors import BadInput, CaptureFailed

Example: TypeAlias = "Tensor | tuple[Any, ...] | Mapping[str, Any]"


def as_inputs(example: Example) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """An example as positional and keyword inputs."""
    if isinstance(example, Tensor):
        return (example,), {}
    if isinstance(example, Mapping):
        return (), dict(example)
    if isinstance(example, (tuple, list)):
        return tuple(example), {}
    raise BadInput(
        f"the example is a {type(example).__name__}",
        "pass a tensor, a tuple of inputs, or a dict of keyword inputs",
    )


def capture(model: nn.Module, example: Example) -> Program:
    """Trace ``model`` on ``example`` in evaluation mode.

    By ``torch.export``, which computes no value; where that fails and the model has weights, by
    running it once and recording what it does.

    Raises:
        CaptureFailed: neither is possible; says what export said.
    """
    args, kwargs = as_inputs(example)
    check_state(model)
    modes = [(module, module.training) for module in model.modules()]
    fast = torch.backends.mha.get_fastpath_enabled()
    model.eval()
    try:
        # The fused inference kernels of nn.TransformerEncoderLayer have no types.
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            return _Reader(model, exported(model, args, kwargs)).program()
        except CaptureFailed:
            raise
        except Exception as error:
            return _recorded(model, args, kwargs, error)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for module, training in modes:
            module.training = training


def _recorded(
    model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], error: Exception
) -> Program:
    """The recorded path, where there are values to run on."""
    said, name = _first_line(error), type(model).__name__
    tensors = [*model.parameters(), *model.buffers(), *tree_leaves((args, kwargs))]
    if any(isinstance(t, Tensor) and t.device.type == "meta" for t in tensors):
        raise CaptureFailed(
            f"torch.export cannot trace {name} on this example: {said}; and without weights the "
            "model cannot be run either",
            "build the model and the example with real tensors (a small configuration will do), "
            "so that the path which the example takes can be recorded, or wrap the model in a "
            "module whose forward does not branch on data",
        ) from error
    try:
        return record(model, args, kwargs, said)
    except Exception as failure:
        raise CaptureFailed(
            f"torch.export cannot trace {name} on this example: {said}; and running the model on "
            f"it fails: {_first_line(failure)}",
            "give an example of the shapes and dtypes that forward takes (a tensor, a tuple, or a "
            "dict of keyword inputs), or wrap the model in a module whose forward takes and "
            "returns plain tensors",
        ) from failure


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


class _Reader:
    """Reads an exported graph, entering nested regions (no-grad blocks), into a `Program`."""

    def __init__(self, model: nn.Module, exported: torch.export.ExportedProgram) -> None:
        self.exported = exported
        self.ops: list[Op] = []
        self.shapes: dict[str, Shape] = {}
        self.names: dict[tuple[int, fx.Node], Any] = {}
        self.kept = kept_names(model)
        self.state = set(model.state_dict(keep_vars=True))
        self.parameters: dict[str, str] = {}
        self.inputs: list[str] = []
        self.constants: list[str] = []
        self.values: dict[str, Tensor] = {}

    def program(self) -> Program:
        signature = self.exported.graph_signature
        held = {
            **signature.inputs_to_parameters,
            **signature.inputs_to_buffers,
            **signature.inputs_to_lifted_tensor_constants,
        }
        graph = self.exported.graph_module
        for node in graph.graph.nodes:
            if node.op == "placeholder":
                self._placeholder(node, held.get(node.name))
        outputs = self._walk(graph, 0, {})
        kept = [
            ref.name
            for ref, spec in zip(outputs, signature.output_specs, strict=True)
            if isinstance(ref, Ref) and spec.kind is OutputKind.USER_OUTPUT
        ]
        aliases = {n: k for n, k in self.kept.items() if n != k}
        return Program(
            tuple(self.ops),
            self.parameters,
            tuple(self.inputs),
            tuple(self.constants),
            tuple(kept),
            self.shapes,
            aliases,
            self.values,
        )

    def _placeholder(self, node: fx.Node, target: str | None) -> None:
        value = node.meta.get("val")
        if not isinstance(value, Tensor):
            self.names[0, node] = value
            return
        self.shapes[node.name] = shape_of(value)
        if target is not None and target in self.state:
            self.parameters[node.name] = self.kept.get(target, target)
        elif target is None and node.name in self.exported.graph_signature.user_inputs:
            self.inputs.append(node.name)
        else:
            self._constant(node.name, self.exported.constants.get(str(target)))
        self.names[0, node] = Ref(node.name)

    def _constant(self, name: str, value: Any) -> None:
        """A tensor that is not computed; its value where there is one."""
        self.constants.append(name)
        if type(value) is Tensor and value.device.type == "cpu":
            self.values[name] = value.detach()

    def _walk(self, graph: fx.GraphModule, depth: int, given: Mapping[str, Any]) -> list[Any]:
        prefix = f"r{len(self.ops)}_" if depth else ""
        places = iter(given.values())
        for node in graph.graph.nodes:
            key = (depth, node)
            if node.op == "placeholder" and depth:
                self.names[key] = next(places)
            elif node.op == "get_attr":
                self.names[key] = self._attribute(graph, node, prefix)
            elif node.op == "call_function":
                self._call(graph, node, depth, prefix)
            elif node.op == "output":
                return [self._value(a, depth) for a in node.args[0]]
        return []

    def _attribute(self, graph: fx.GraphModule, node: fx.Node, prefix: str) -> Any:
        value = getattr(graph, str(node.target))
        if not isinstance(value, Tensor):
            return value
        name = prefix + node.name
        self.shapes[name] = shape_of(value)
        self._constant(name, value)
        return Ref(name)

    def _call(self, graph: fx.GraphModule, node: fx.Node, depth: int, prefix: str) -> None:
        key = (depth, node)
        if node.target is operator.getitem:
            source, index = (self._value(a, depth) for a in node.args)
            self.names[key] = source[index]
            return
        arguments = [self._value(a, depth) for a in node.args]
        region = next((a for a in arguments if isinstance(a, fx.GraphModule)), None)
        if region is not None:
            _check_straight(str(node.target))
            place = arguments.index(region)
            inner = arguments[place + 1 :]
            self.names[key] = self._walk(
                region, depth + 1, {str(k): v for k, v in enumerate(inner)}
            )
            return
        if not isinstance(node.target, torch._ops.OpOverload):
            self.names[key] = self._plain(node, arguments)
            return
        self.names[key] = self._record(node, node.target, arguments, depth, prefix)

    def _plain(self, node: fx.Node, arguments: list[Any]) -> Any:
        """Python arithmetic on sizes, which export leaves in the graph now and then."""
        if callable(node.target) and not any(isinstance(a, Ref) for a in arguments):
            return node.target(*arguments)
        return None

    def _record(
        self,
        node: fx.Node,
        target: torch._ops.OpOverload,
        arguments: list[Any],
        depth: int,
        prefix: str,
    ) -> Any:
        named = {k: self._value(v, depth) for k, v in node.kwargs.items()}
        bound = bind(target, arguments, named)
        value = node.meta.get("val")
        values = value if isinstance(value, (list, tuple)) else [value]
        name = prefix + node.name
        names = (
            [name]
            if not isinstance(value, (list, tuple))
            else [f"{name}.{k}" for k in range(len(values))]
        )
        tensors = [(n, v) for n, v in zip(names, values, strict=True) if isinstance(v, Tensor)]
        made = tuple(n for n, _ in tensors)
        shapes = tuple(shape_of(v) for _, v in tensors)
        self.ops.append(
            Op(name_of(target), target, bound, made, shapes, _module(node), *_source(node))
        )
        refs = [Ref(n) if isinstance(v, Tensor) else v for n, v in zip(names, values, strict=True)]
        return refs if isinstance(value, (list, tuple)) else refs[0]

    def _value(self, argument: Any, depth: int) -> Any:
        if isinstance(argument, fx.Node):
            return self.names[depth, argument]
        if isinstance(argument, (list, tuple)):
            return [self._value(a, depth) for a in argument]
        if isinstance(argument, torch.SymInt):
            return int(argument)
        return argument


def _check_straight(region: str) -> None:
    """Regions that run once are entered; loops and branches on data cannot be typed."""
    if not region.startswith(("wrap_with_", "wrap", "tag_activation_checkpoint")):
        raise CaptureFailed(
            f"the model uses {region}, control flow that depends on data",
            "wrap the part of the model without it in a module of its own",
        )


def _module(node: fx.Node) -> str:
    stack = node.meta.get("nn_module_stack") or {}
    path = [entry[0] for entry in stack.values()]
    return str(path[-1]) if path else ""


def _source(node: fx.Node) -> tuple[str, str]:
    """The innermost line of the user's code, not of torch's own modules: its place and text."""
    trace = [line.strip() for line in str(node.meta.get("stack_trace") or "").splitlines()]
    at = [k for k, line in enumerate(trace) if line.startswith("File ")]
    own = [k for k in at if "/torch/" not in trace[k]] or at
    if not own:
        return "", ""
    parts = trace[own[-1]].split(", ")
    file = parts[0].removeprefix("File ").strip('"').replace("\\", "/").rsplit("/", 1)[-1]
    after = trace[own[-1] + 1] if own[-1] + 1 < len(trace) else ""
    text = "" if after.startswith("File ") else after
    return f"{file}:{parts[1].removeprefix('line ')}", text
