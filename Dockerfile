# One image for every pipeline step and every server. Built for real, and run, by a later step of the project;
# see README, "What was not run here".

FROM python:3.11-slim AS build
WORKDIR /src
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# Dependencies first: they change less often than the code, so the layer is kept.
COPY pyproject.toml constraints.txt README.md ./
RUN python -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb")); \
    print("\n".join(p["build-system"]["requires"] + p["project"]["dependencies"]))' > requirements.txt \
 && pip install --constraint constraints.txt --requirement requirements.txt
COPY . .
RUN pip install --no-deps --no-build-isolation .

FROM python:3.11-slim
# libgomp: OpenMP for the numeric libraries.
RUN apt-get update && apt-get install --yes --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --create-home --shell /usr/sbin/nologin screentest
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MLFLOW_DISABLE_TELEMETRY=true \
    SCREENTEST_HOST=0.0.0.0
USER 10001
WORKDIR /home/screentest
# 8080: policy server, 8081: model server. Health is asked for by whoever starts one (compose, Kubernetes probes): a
# pipeline step listens nowhere, so the image itself has no health check.
EXPOSE 8080 8081
ENTRYPOINT ["screentest"]
CMD ["--help"]
