# One image for every pipeline step and every server; `make image` builds it, `make image-test` runs it (docs/DEPLOYMENT.md).

ARG PYTHON_IMAGE=python:3.11-slim

FROM ${PYTHON_IMAGE} AS build
# A further package index, e.g. PyTorch's own of builds for the CPU, which are a tenth of the default ones' size.
ARG PIP_EXTRA_INDEX_URL=
WORKDIR /src
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# Dependencies first: they change less often than the code, so the layer is kept.
COPY pyproject.toml constraints.txt ./
RUN python -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb")); \
    print("\n".join(p["build-system"]["requires"] + p["project"]["dependencies"]))' > requirements.txt \
 && pip install --constraint constraints.txt --requirement requirements.txt
COPY . .
# Compiled here: the root file system is read-only where it runs.
RUN pip install --no-deps --no-build-isolation --compile .

FROM ${PYTHON_IMAGE}
# libgomp: OpenMP for the numeric libraries.
RUN apt-get update && apt-get install --yes --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin screentest \
 && install --directory --owner screentest --group screentest /data
COPY --from=build /opt/venv /opt/venv
# Nothing but /tmp and /data is ever written; both are mounted where the root file system is read-only.
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MLFLOW_DISABLE_TELEMETRY=true \
    HOME=/tmp SCREENTEST_HOST=0.0.0.0
# By number, so that Kubernetes can tell that it is not root.
USER 10001:10001
WORKDIR /data
# 8080: policy server, 8081: model server, 8501: review page, 5000: MLflow.
EXPOSE 8080 8081 8501 5000
# Asks whichever server the container was started as; a container that serves nothing (a pipeline step) is well as
# long as it runs. Kubernetes does not look at this: its probes are in manifests/.
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s CMD ["python", "-m", "serving.health"]
ENTRYPOINT ["screentest"]
CMD ["--help"]
