# The image of the job. `make image` builds it, `docker build .` too; `make image-test` checks it.
#
# It has no ENTRYPOINT: GitLab's runner starts a shell of its own in it, and the job's script
# says /dataops.

# The minor version is pinned: a new one is tested before it arrives in a pipeline.
ARG PYTHON_VERSION=3.13
ARG BASE=python:${PYTHON_VERSION}-slim

# --- The wheel, and an environment that holds it -----------------------------------------------
FROM ${BASE} AS build

WORKDIR /source
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY orchestrator/ orchestrator/
COPY examples/ examples/
COPY statecharts/ statecharts/

# What --version says: there is no git here to ask.
ARG REVISION=unknown

# With `vault`, since a job may need it at any time; without `demo`: a rehearsal is for a desk,
# and no server belongs into a job that holds credentials. pip stays behind in this stage.
# Compiled here, since the job's user can write nowhere near it; with hashes of the sources, not
# their times, so that the same sources give the same bytes.
# Behind a mirror, hand in pip's configuration and certificates as the secrets pip.conf and ca.
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    set -eu; \
    python3 -m venv /build; \
    SOURCE_COMMIT=$REVISION /build/bin/pip wheel --no-cache-dir --disable-pip-version-check --wheel-dir /wheels '.[vault]'; \
    python3 -m venv --without-pip /opt/fivetran-orchestrator; \
    /build/bin/pip --python /opt/fivetran-orchestrator/bin/python install --no-cache-dir \
        --disable-pip-version-check --no-compile --no-index --find-links /wheels 'fivetran-orchestrator[vault]'; \
    python3 -m compileall -q --invalidation-mode unchecked-hash /opt/fivetran-orchestrator/lib; \
    rm /opt/fivetran-orchestrator/bin/[Aa]ctivate*

# A script whose interpreter is the environment's Python *is* that process: signals reach it.
# -I: neither the job's working directory (a clone of anything) nor PYTHON* variables come
# before our modules. It reads no stdin, and flushes its own log: nothing needs PYTHONUNBUFFERED.
RUN printf '%s\n' \
        '#!/opt/fivetran-orchestrator/bin/python -I' \
        'from orchestrator.__main__ import command' \
        '' \
        'command()' > /dataops \
 && chmod 0755 /dataops

# --- The image ------------------------------------------------------------------------------------
FROM ${BASE}

COPY --from=build /opt/fivetran-orchestrator/ /opt/fivetran-orchestrator/
COPY --from=build /dataops /dataops

# One job against nobody, as root: it ends with 6, and has Python compile the part of its own
# library that a job uses. The base image comes without bytecode, and a user who may not write
# any would compile that anew at each start.
# Nothing stays setuid or setgid: a job that holds credentials has no use for su or mount.
RUN set -u; code=0; \
    FIVETRAN_ACTION=STATUS CONNECTOR_ID=nobody FIVETRAN_API_KEY=nobodys-key FIVETRAN_API_SECRET=nobodys-secret \
    FIVETRAN_API_URL=http://127.0.0.1:1 FIVETRAN_RETRY_LIMIT=1 FIVETRAN_REPORT_DIR=/tmp/report \
    /dataops || code=$?; \
    test "$code" -eq 6 && rm -r /tmp/report && \
    find / -xdev -type f -perm /6000 -exec chmod a-s {} +

# Last, so that a new date alone builds nothing anew.
ARG VERSION=0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="Fivetran Orchestrator" \
      org.opencontainers.image.description="A container job that runs Fivetran syncs from a data pipeline" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"

# Numeric, so that Kubernetes can see that it is not root. Any other id will do, too: nothing
# here is written to, and nothing needs a home or a name.
USER 10001:0

# What the image does by itself harms nobody: it says its version.
CMD ["/dataops", "--version"]
