"""Every saved model of a folder behind one KServe server: a process each would take minutes.

python -m tests.every_model_server FOLDER PORT_FILE
"""

from __future__ import annotations

import sys
from pathlib import Path

from serving.ports import announce, listen
from wrappers.artifact import load_wrapper


def main(folder: Path, port_file: Path) -> None:
    sock = listen("127.0.0.1", 0)
    from serving.kserve_model import PinnedModel
    from serving.kserve_server import LeanServer, pinned_application

    models = [PinnedModel(path.name, "1", load_wrapper(path)) for path in sorted(folder.iterdir()) if path.is_dir()]
    for model in models:
        model.load()
    application = pinned_application(models[0])
    for model in models[1:]:
        application.dataplane.model_registry.update(model)
    announce(sock, port_file)
    LeanServer(application).run(sock)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
