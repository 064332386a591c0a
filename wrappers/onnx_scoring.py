"""Networks as ONNX graphs: exported when trained, run by ONNX Runtime from then on, so that answers need no torch."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from core.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor, nn

#: How far torch and ONNX Runtime may be apart: rounding in another order.
TOLERANCE = 1e-5

#: Graphs by architecture. Tracing a network takes a second or two, putting its weights into a graph a millisecond.
_GRAPHS: dict[tuple[Any, ...], bytes] = {}


def exported(network: nn.Module, example: Mapping[str, Tensor]) -> bytes:
    """A network as an ONNX graph that takes any number of rows.

    The same network gives the same bytes: names of files and lines that torch would add are left out.

    Args:
        network: In evaluation mode and the processor's memory; answers one tensor. Its string (``repr``) and the
            shapes of its weights tell its architecture from others.
        example: Arguments of ``forward`` by name, float32, with two rows or more; the first axis of each is rows.

    Raises:
        ValueError: ONNX Runtime's answers to the example are not torch's.
    """
    weights = {name: value.detach().numpy() for name, value in network.state_dict().items()}
    shapes = tuple((name, tuple(value.shape)) for name, value in [*weights.items(), *example.items()])
    architecture = (type(network).__qualname__, repr(network), shapes)
    if architecture not in _GRAPHS:
        _GRAPHS[architecture] = _traced(network, dict(example))
    graph = _with_weights(_GRAPHS[architecture], weights)
    answers = OnnxNetwork(graph).run(**{name: value.numpy() for name, value in example.items()})
    difference = float(np.abs(answers - network(**example).detach().numpy()).max(initial=0))
    if not difference <= TOLERANCE * 10:
        raise ValueError(f"the ONNX graph of {type(network).__name__} is {difference:.1e} off torch's answers")
    return graph


class OnnxNetwork:
    """A network that was exported, on one thread: the answers to a row do not depend on the others.

    Args:
        graph: What :func:`exported` returned.

    Raises:
        DataError: It is no ONNX graph that this version of ONNX Runtime reads.
    """

    def __init__(self, graph: bytes) -> None:
        import onnxruntime
        from onnxruntime.capi.onnxruntime_pybind11_state import (
            Fail,
            InvalidArgument,
            InvalidGraph,
            InvalidProtobuf,
        )

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf) as error:
            raise DataError(f"the network cannot be read ({error}); train the model again") from error

    def run(self, **inputs: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The network's answers to (n, …) inputs by name; one row's are the same bits in a batch of any size."""
        n = len(next(iter(inputs.values())))
        if n == 1:
            # A matrix with one row is multiplied by other code, which rounds differently.
            inputs = {name: np.repeat(array, 2, axis=0) for name, array in inputs.items()}
        answers: npt.NDArray[np.float32] = self._session.run(None, inputs)[0]
        return answers[:n]


def _traced(network: nn.Module, example: dict[str, Tensor]) -> bytes:
    import torch

    rows = torch.export.Dim("rows")
    with _quiet():
        program = torch.onnx.export(
            network,
            kwargs=example,
            dynamo=True,
            # Folding constants would merge weights; ONNX Runtime does that when it loads the graph.
            optimize=False,
            verbose=False,
            dynamic_shapes={name: {0: rows} for name in example},
            input_names=list(example),
            output_names=["answers"],
        )
    made = program.model_proto
    for told in (made, made.graph, *made.graph.node, *made.graph.value_info, *made.graph.initializer):
        del told.metadata_props[:]
        told.doc_string = ""
    graph: bytes = made.SerializeToString(deterministic=True)
    return graph


def _with_weights(graph: bytes, weights: Mapping[str, npt.NDArray[Any]]) -> bytes:
    import onnx

    made = onnx.ModelProto.FromString(graph)
    for initializer in made.graph.initializer:
        if initializer.name in weights:
            initializer.raw_data = np.ascontiguousarray(weights[initializer.name]).tobytes()
    filled: bytes = made.SerializeToString(deterministic=True)
    return filled


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks on what is not installed and on its own deprecations."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(level)
