"""Texts as numbers by a model of sentences from a folder, with the optional package sentence-transformers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from wrappers.item_features import TextEncoder


def sentence_encoder(folder: str, *, of: str) -> TextEncoder:
    """Load a model of sentences; nothing is downloaded, and no code that lies in the folder is run.

    Args:
        folder: What sentence-transformers saved.
        of: The model that wants it, for messages.

    Raises:
        ConfigError: The folder or the package is missing, or there is no such model in the folder.
    """
    given = f"{of}: sentence_model == {folder!r}"
    if not Path(folder).is_dir():
        raise ConfigError(f"{given}, but there is no such folder; name one with a model of sentence-transformers in it")
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise ConfigError(
            f"{given} needs a package that is not installed ({error}): pip install 'screentest[sentence]', or leave "
            "sentence_model empty"
        ) from error
    try:
        model = SentenceTransformer(folder, device="cpu", trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{given} holds no model of sentence-transformers: {error}") from error

    def encode(texts: Sequence[str]) -> npt.NDArray[np.float32]:
        vectors = model.encode(list(texts), convert_to_numpy=True, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vectors, np.float32)

    return encode
