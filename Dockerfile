# syntax=docker/dockerfile:1
# aiec as a small image: docker build -t aiec .
ARG PYTHON=python:3.12-slim

FROM ${PYTHON} AS build
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
# The environment has no pip of its own; the one of this stage fills it, and stays behind.
RUN python -m venv --without-pip /opt/aiec
COPY requirements.lock ./
RUN pip --python /opt/aiec install --require-hashes --only-binary :all: --requirement requirements.lock
# Of the development lock only the build backend is needed.
COPY requirements-dev.lock ./
RUN sed -n '/^setuptools==/,/[^\\]$/p' requirements-dev.lock > build.lock && pip install --require-hashes --requirement build.lock
COPY pyproject.toml README.md ./
COPY bot ./bot
COPY commands ./commands
COPY runbooks ./runbooks
COPY escalation ./escalation
COPY sandbox ./sandbox
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . && pip --python /opt/aiec install --no-deps /wheels/*.whl

FROM ${PYTHON}
# The user has a name, because the terminal's actor is the name of whoever runs it; the number lets Kubernetes see that it is not root.
RUN useradd --uid 65532 --user-group --no-create-home --home-dir /var/lib/aiec --shell /usr/sbin/nologin nonroot \
    && install --directory --owner nonroot --group nonroot /var/lib/aiec
# pg_restore, for trying out backups.
RUN apt-get update && apt-get install --yes --no-install-recommends postgresql-client && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/aiec /opt/aiec
ENV PATH=/opt/aiec/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 AIEC_HOST=0.0.0.0
USER 65532:65532
# Where aiec.yaml, .env and the SQLite database are looked for; nothing else is written to.
WORKDIR /var/lib/aiec
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f\"http://127.0.0.1:{os.environ.get('AIEC_PORT', '3000')}/healthz\", timeout=2)"]
ENTRYPOINT ["aiec"]
CMD ["run"]
