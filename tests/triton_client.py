"""What Triton's client of the Open Inference Protocol gets from a model server, as JSON on standard output.

python -m tests.triton_client HTTP_ADDRESS GRPC_ADDRESS

A process of its own: the client and KServe each bring the protocol's messages, and protobuf takes one of them.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException


def main(http_address: str, grpc_address: str) -> None:
    http = tritonclient.http.InferenceServerClient(http_address)
    grpc = tritonclient.grpc.InferenceServerClient(grpc_address)
    seen = {
        "http": ask(tritonclient.http, http, binary_data=False),
        "http raw": ask(tritonclient.http, http, binary_data=True),
        "grpc": ask(tritonclient.grpc, grpc),
    }
    print(json.dumps(seen))


def ask(package: Any, client: Any, **how: Any) -> dict[str, Any]:
    metadata = client.get_model_metadata("recommender")
    if not isinstance(metadata, dict):
        metadata = {"versions": list(metadata.versions), "inputs": [{"name": one.name} for one in metadata.inputs]}
    users = package.InferInput("user_id", [2], "BYTES")
    users.set_data_from_numpy(np.array([b"100", b"nobody"], object), **how)
    k = package.InferInput("k", [2, 1], "INT32")
    k.set_data_from_numpy(np.array([[2], [3]], np.int32), **how)
    answer = client.infer("recommender", [users, k], request_id="r-1")
    scores = client.infer("recommender", [users], model_version="1", outputs=[package.InferRequestedOutput("score")])
    return {
        "ready": [
            client.is_server_live(),
            client.is_server_ready(),
            client.is_model_ready("recommender"),
            client.is_model_ready("recommender", "1"),
        ],
        "versions": metadata["versions"],
        "first input": metadata["inputs"][0]["name"],
        "items": [[one.decode() for one in row] for row in answer.as_numpy("item_id").tolist()],
        "scores": answer.as_numpy("score").tolist(),
        "n_items": answer.as_numpy("n_items").tolist(),
        "cold": answer.as_numpy("cold").tolist(),
        "shape of scores alone": list(scores.as_numpy("score").shape),
        "refused": refused(client, [k]),
        "no such version": refused(client, [users], model_version="9"),
    }


def refused(client: Any, inputs: list[Any], **how: Any) -> list[str]:
    try:
        client.infer("recommender", inputs, **how)
    except InferenceServerException as error:
        return [str(error.status()), error.message()]
    return []


if __name__ == "__main__":
    main(*sys.argv[1:])
