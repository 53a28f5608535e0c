"""The exported graph of a module: its nodes, its parameters, and its value without casts.

`torch.export` records the operations that one call of the module makes, with shapes, and
`run_decompositions({})` makes them functional: nothing is changed in place. Tied parameters
are one storage under several names, and one of their placeholders is used.
"""

import copy
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Node

from mc_lib.errors import DtypeMismatch, NotSymmetric, OutOfDomain
from mc_lib.kinds import require_kind
from mc_lib.modules.nodes import cast, compute, is_real, operation
from mc_lib.modules.selections import pull_selections


class Graph:
    """A module as a list of operations on its parameters and on data.

    Args:
        model: any module that can be exported; it is copied and left as it is.
        args: example inputs, a tuple.

    Raises:
        TypeError: no module, or no tuple.
        DtypeMismatch: parameters that are not float32 or float64, or without entries (meta).
        NotSymmetric: the module cannot be exported; the message says why.
    """

    def __init__(self, model: nn.Module, args: tuple[Any, ...]) -> None:
        require_kind(model, nn.Module, "the model")
        require_kind(args, tuple, "the example inputs")
        _require_parameters(model)
        program = _exported(copy.deepcopy(model).eval(), args)
        self.nodes = list(program.graph.nodes)
        pull_selections(program.graph_module)
        program.graph_module.graph.eliminate_dead_code(
            lambda node: node.op in ("placeholder", "output")
        )
        self.module = program.graph_module
        self.nodes = list(program.graph.nodes)
        signature = program.graph_signature
        names = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
        state = dict(model.state_dict(keep_vars=True))
        self.fixed = {key: value for key, value in program.constants.items()}
        self.constants = {
            **{k: self.fixed[v] for k, v in signature.inputs_to_lifted_tensor_constants.items()},
            **{
                k: dict(model.named_buffers()).get(v)
                for k, v in signature.inputs_to_buffers.items()
            },
        }
        moving = set(signature.inputs_to_parameters) | self._statistics()
        self.names = {k: names[k] for k in moving if state[names[k]].is_floating_point()}
        self.alias = _aliases(state)
        keys = {self.alias[name] for name in self.names.values()}
        self.state = {key: state[key] for key in state if key in keys}
        self.inputs = [
            n.name for n in self.nodes if n.op == "placeholder" and n.name in signature.user_inputs
        ]
        self.depends = self._moving()

    def _statistics(self) -> set[str]:
        """Return the placeholders of the statistics of batch norms, which move with the weights."""
        norms = [n for n in self.nodes if "batch_norm" in operation(n)]
        return {
            x.name
            for n in norms
            for x in n.args[3:5]
            if isinstance(x, Node) and x.op == "placeholder"
        }

    def _moving(self) -> set[Node]:
        found: set[Node] = set()
        for node in self.nodes:
            if node.name in self.names or any(x in found for x in node.all_input_nodes):
                found.add(node)
        return found

    def key(self, node: Node) -> str | None:
        """Return the name of the parameter that a placeholder stands for; one of tied ones."""
        name = self.names.get(node.name)
        return None if name is None else self.alias[name]

    def values(
        self, point: Mapping[str, Tensor], args: Sequence[Any], dtype: torch.dtype
    ) -> dict[Node, Any]:
        """Return what every node makes, in one dtype throughout.

        Args:
            point: the parameters, by name.
            args: the inputs.
            dtype: in which everything floating is computed.

        Returns:
            The values by node.
        """
        given = dict(zip(self.inputs, torch.utils._pytree.tree_leaves(tuple(args)), strict=False))
        found: dict[Node, Any] = {}
        for node in self.nodes:
            if node.op == "placeholder":
                key = self.key(node)
                source = given | self.constants
                found[node] = cast(point[key] if key else source.get(node.name), dtype)
            elif node.op == "get_attr":
                found[node] = cast(getattr(self.module, str(node.target)), dtype)
            else:
                found[node] = self._computed(node, found, dtype)
        return found

    @staticmethod
    def _computed(node: Node, found: Mapping[Node, Any], dtype: torch.dtype) -> Any:
        try:
            return compute(node, found, dtype)
        except (RuntimeError, TypeError, IndexError) as error:  # export does not look at all dtypes
            said = (str(error).strip().splitlines() or [""])[0][:300]
            raise NotSymmetric(f"{operation(node)} fails on these inputs: {said}") from error

    def output(
        self, point: Mapping[str, Tensor], args: Sequence[Any], dtype: torch.dtype
    ) -> Tensor:
        """Return all floating-point outputs of the module as one vector."""
        last = self.values(point, args, dtype)[self.nodes[-1]]
        found = [x.flatten() for x in torch.utils._pytree.tree_leaves(last) if is_real(x)]
        if not found:
            raise OutOfDomain("the model returns no floating-point tensor")
        return torch.cat(found)


def _require_parameters(model: nn.Module) -> None:
    found = [*model.named_parameters()]
    if not found:
        raise OutOfDomain("the model has no parameters")
    for name, x in found:
        if x.is_meta:
            raise DtypeMismatch(f"parameter {name!r} is on the device meta and holds no numbers")
        if x.dtype not in (torch.float32, torch.float64):
            raise DtypeMismatch(f"parameter {name!r} is {x.dtype}: use model.float() or .double()")


def _exported(model: nn.Module, args: tuple[Any, ...]) -> Any:
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            return torch.export.export(model, args, strict=False).run_decompositions({})
    except Exception as error:
        said = (str(error).strip().splitlines() or [""])[0][:300]
        raise NotSymmetric(
            f"torch.export cannot record {type(model).__name__} on these inputs "
            f"({type(error).__name__}: {said}); its flow must not depend on the data"
        ) from error


def _aliases(state: Mapping[str, Tensor]) -> dict[str, str]:
    """Return for each name that of the first tensor with the same storage and layout."""
    first: dict[Any, str] = {}
    found = {}
    for name, x in state.items():
        key = (x.untyped_storage()._cdata, x.storage_offset(), tuple(x.shape), x.stride())
        found[name] = first.setdefault(key, name)
    return found
