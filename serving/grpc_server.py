"""The Open Inference Protocol over gRPC: KServe's own service on a port that we choose, beside the HTTP server.

``kserve.protocol.grpc.server.GRPCServer`` is not used: it binds all addresses, tells no port, takes messages of any
length, logs a traceback for every bad request, and fails itself where it means to answer UNIMPLEMENTED.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import grpc
from kserve.errors import InferenceError, InvalidInput, ModelNotFound, ModelNotReady
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import add_GRPCInferenceServiceServicer_to_server
from kserve.protocol.grpc.interceptors import ExceptionToStatusInterceptor
from kserve.protocol.grpc.servicer import InferenceServicer
from kserve.protocol.model_repository_extension import ModelRepositoryExtension

from core.errors import BadInput, Failure, ServerError
from serving.http_errors import MAX_BODY_BYTES
from serving.ports import write_port
from serving.traceparent import NAME, is_traceparent, tracing
from serving.v2_routes import served_model

_GRACE_S = 5
_LENGTHS = ("grpc.max_receive_message_length", "grpc.max_send_message_length")
#: An answer holds more than its request: a thousand lists of a thousand items.
_MAX_ANSWER_BYTES = 256 << 20

_STATUSES: dict[type[Exception], grpc.StatusCode] = {
    BadInput: grpc.StatusCode.INVALID_ARGUMENT,
    InvalidInput: grpc.StatusCode.INVALID_ARGUMENT,
    InferenceError: grpc.StatusCode.INVALID_ARGUMENT,
    ModelNotFound: grpc.StatusCode.NOT_FOUND,
    ModelNotReady: grpc.StatusCode.UNAVAILABLE,
    Failure: grpc.StatusCode.UNAVAILABLE,
    NotImplementedError: grpc.StatusCode.UNIMPLEMENTED,
}

_log = logging.getLogger(__name__)


class GrpcServer:
    """One gRPC server of a process.

    Args:
        host: Address to bind.
        port: 0 takes any free one.
        port_file: Gets the port once it serves; None: nobody is told.
    """

    def __init__(self, host: str, port: int, port_file: Path | None = None) -> None:
        self._host, self._port, self._port_file = host, port, port_file
        self._server: grpc.aio.Server

    async def start(self, dataplane: DataPlane, extension: ModelRepositoryExtension) -> None:
        """Serve, from here on, in the running event loop.

        Raises:
            ServerError: The port cannot be had.
            BadInput: The port file cannot be written.
        """
        options = [
            *zip(_LENGTHS, (MAX_BODY_BYTES, _MAX_ANSWER_BYTES), strict=True),
            # Else two servers share one port, and each gets half of the calls.
            ("grpc.so_reuseport", 0),
        ]
        self._server = grpc.aio.server(interceptors=[_Statuses()], options=options)
        add_GRPCInferenceServiceServicer_to_server(_Service(dataplane, extension), self._server)
        host = f"[{self._host}]" if ":" in self._host else self._host
        try:
            bound = self._server.add_insecure_port(f"{host}:{self._port}")
        except RuntimeError as error:
            raise ServerError(
                f"cannot listen for gRPC on {host}:{self._port}; choose another with --grpc-port (0: any)"
            ) from error
        await self._server.start()
        write_port(bound, self._port_file, "--grpc-port-file")
        _log.warning("gRPC on %s:%d", host, bound)

    async def stop(self) -> None:
        """Answer what is under way, refuse what comes, end."""
        await self._server.stop(_GRACE_S)


class _Service(InferenceServicer):
    """KServe's service, with versions."""

    def _check(self, name: str, version: str, *, ready: bool = True) -> None:
        served_model(self._data_plane, name, version, ready=ready)

    async def ModelReady(self, request: Any, context: Any) -> Any:  # noqa: N802 (as the protocol calls it)
        self._check(request.name, request.version, ready=False)
        return await super().ModelReady(request, context)

    async def ModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._check(request.name, request.version)
        found = await self._data_plane.model_metadata(request.name)
        return pb.ModelMetadataResponse(**found)

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._check(request.model_name, request.model_version)
        return await super().ModelInfer(request, context)


class _Statuses(ExceptionToStatusInterceptor):
    """Our errors as statuses with their reason; all else is INTERNAL, and what it was stays in the server's log."""

    async def intercept(self, method: Any, request_or_iterator: Any, context: Any, method_name: str) -> Any:
        """Answer one call; its traceparent comes back as initial metadata."""
        for key, value in context.invocation_metadata() or ():
            if key == NAME.decode() and is_traceparent(str(value).encode("latin-1", "replace")):
                await context.send_initial_metadata(((key, value),))
                with tracing(str(value)):
                    return await super().intercept(method, request_or_iterator, context, method_name)
        return await super().intercept(method, request_or_iterator, context, method_name)

    async def handle_exception(self, ex: Exception, request_or_iterator: Any, context: Any, method_name: str) -> None:
        """End the call with a status."""
        for kind, status in _STATUSES.items():
            if isinstance(ex, kind):
                await context.abort(status, str(ex))
        _log.error("%s failed", method_name, exc_info=ex)
        await context.abort(grpc.StatusCode.INTERNAL, "internal error; the reason is in the server's log")
