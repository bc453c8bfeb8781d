"""Capture: a module and an example become a `Program`, by ``torch.export`` (not decomposed)."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, fx, nn

from isthmus.discovery.program import Op, Program, Ref, Shape
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
    """Trace ``model`` on ``example`` in evaluation mode; no value is computed.

    Raises:
        CaptureFailed: export fails; says what it said.
    """
    args, kwargs = as_inputs(example)
    modes = [(module, module.training) for module in model.modules()]
    fast = torch.backends.mha.get_fastpath_enabled()
    model.eval()
    try:
        # The fused inference kernels of nn.TransformerEncoderLayer have no types.
        torch.backends.mha.set_fastpath_enabled(False)
        exported = _export(model, args, kwargs)
    except Exception as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise CaptureFailed(
            f"torch.export cannot trace {type(model).__name__} on this example: {said[0]}",
            "give an example of the right shapes and dtypes, or wrap the model in a module whose "
            "forward takes and returns tensors without data-dependent branches",
        ) from error
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for module, training in modes:
            module.training = training
    return _Reader(model, exported).program()


def _export(
    model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> torch.export.ExportedProgram:
    """The exported program; made functional where the model writes in place."""
    with warnings.catch_warnings():
        # Recurrent layers assign their flat weights while they are traced: no concern here.
        warnings.filterwarnings("ignore", message=".*assigned during export.*")
        exported = torch.export.export(model, args, kwargs, strict=False)
        graphs = [m.graph for m in exported.graph_module.modules() if isinstance(m, fx.GraphModule)]
        if any(_mutates(node) for graph in graphs for node in graph.nodes):
            functional: torch.export.ExportedProgram = exported.run_decompositions({})
            return functional
    return exported


def _mutates(node: fx.Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return bool(schema is not None and schema.is_mutable)


class _Reader:
    """Reads an exported graph, entering nested regions (no-grad blocks), into a `Program`."""

    def __init__(self, model: nn.Module, exported: torch.export.ExportedProgram) -> None:
        self.exported = exported
        self.ops: list[Op] = []
        self.shapes: dict[str, Shape] = {}
        self.names: dict[tuple[int, fx.Node], Any] = {}
        self.kept = _kept_names(model)
        self.state = set(model.state_dict(keep_vars=True))
        self.parameters: dict[str, str] = {}
        self.inputs: list[str] = []
        self.constants: list[str] = []

    def program(self) -> Program:
        signature = self.exported.graph_signature
        held = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
        graph = self.exported.graph_module
        for node in graph.graph.nodes:
            if node.op == "placeholder":
                self._placeholder(node, held.get(node.name))
        outputs = self._walk(graph, 0, {})
        wanted = set(signature.user_outputs)
        # By the graph's own names: inside a nested region a result is called otherwise.
        results = next(n.args[0] for n in graph.graph.nodes if n.op == "output")
        kept = [
            (node.name, ref.name)
            for node, ref in zip(results, outputs, strict=True)
            if isinstance(node, fx.Node) and isinstance(ref, Ref)
        ]
        chosen = tuple(ref for n, ref in kept if n in wanted) or tuple(ref for _, ref in kept)
        aliases = {n: k for n, k in self.kept.items() if n != k}
        return Program(
            tuple(self.ops),
            self.parameters,
            tuple(self.inputs),
            tuple(self.constants),
            chosen,
            self.shapes,
            aliases,
        )

    def _placeholder(self, node: fx.Node, target: str | None) -> None:
        value = node.meta.get("val")
        if not isinstance(value, Tensor):
            self.names[0, node] = value
            return
        self.shapes[node.name] = _shape(value)
        if target is not None and target in self.state:
            self.parameters[node.name] = self.kept.get(target, target)
        elif target is None and node.name in self.exported.graph_signature.user_inputs:
            self.inputs.append(node.name)
        else:
            self.constants.append(node.name)
        self.names[0, node] = Ref(node.name)

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
        self.shapes[name] = _shape(value)
        self.constants.append(name)
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
        bound = _bind(target, arguments, named)
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
        shapes = tuple(_shape(v) for _, v in tensors)
        self.ops.append(
            Op(_name(target), target, bound, made, shapes, _module(node), *_source(node))
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


def _bind(
    target: torch._ops.OpOverload, arguments: Sequence[Any], named: Mapping[str, Any]
) -> dict[str, Any]:
    bound: dict[str, Any] = {}
    for k, formal in enumerate(target._schema.arguments):
        if k < len(arguments):
            bound[formal.name] = arguments[k]
        elif formal.name in named:
            bound[formal.name] = named[formal.name]
        else:
            bound[formal.name] = formal.default_value
    return bound


def _kept_names(model: nn.Module) -> dict[str, str]:
    """Every state-dict name and the first name of the same tensor."""
    first: dict[tuple[int, int, tuple[int, ...], tuple[int, ...]], str] = {}
    kept: dict[str, str] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        same = (id(tensor), 0, (), ())
        kept[name] = first.setdefault(same, name)
    return kept


def _shape(value: Tensor) -> Shape:
    return Shape(tuple(int(n) for n in value.shape), value.dtype)


def _name(target: torch._ops.OpOverload) -> str:
    return f"{target.namespace}.{target._schema.name.split('::')[-1]}".removeprefix("aten.")


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
