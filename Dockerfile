# The image of the job. `make image` builds it, `docker build .` too; `make image-test` checks it.
#
# It has no ENTRYPOINT: GitLab's runner starts a shell of its own in it, and the job's script
# says /dataops.

# The index of all platforms, by its digest: `make lock` renews it, after
#   docker buildx imagetools inspect python:3.13-slim --format '{{.Manifest.Digest}}'
# The minor version stays: a new one is tested before it arrives in a pipeline.
ARG BASE=python:3.13-slim@sha256:70729b46c69b4f1e97c4822c1af3df53a1476cf5ddc6c087c0c10bc3a5678c2f

# --- The wheel, and an environment that holds it -----------------------------------------------
FROM ${BASE} AS build

WORKDIR /source
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY locks/build.txt locks/image.txt locks/
COPY orchestrator/ orchestrator/
COPY examples/ examples/
COPY statecharts/ statecharts/

# What --version says: there is no git here to ask.
ARG REVISION=unknown

# With `vault`, since a job may need it at any time; without `demo`: a rehearsal is for a desk,
# and no server belongs into a job that holds credentials. pip stays behind in this stage.
# From an index comes only what the locks name, checked against their hashes, and as wheels:
# nothing of it is run before it is checked. Which files these were stays in the image.
# Compiled here, since the job's user can write nowhere near it; with hashes of the sources, not
# their times, and with a fixed seed, so that the same sources give the same bytes.
# Behind a mirror, hand in pip's configuration and certificates as the secrets pip.conf and ca.
ARG SOURCE_DATE_EPOCH
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    set -eu; \
    export PIP_QUIET=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1; \
    python3 -m venv /build; \
    /build/bin/pip install --require-hashes --only-binary :all: --requirement locks/build.txt; \
    /build/bin/pip download --require-hashes --only-binary :all: --requirement locks/image.txt --dest /wheels; \
    SOURCE_COMMIT=$REVISION /build/bin/pip wheel --no-index --no-deps --no-build-isolation --wheel-dir /wheels .; \
    python3 -m venv --without-pip /opt/fivetran-orchestrator; \
    /build/bin/pip --python /opt/fivetran-orchestrator/bin/python install --no-compile \
        --no-index --find-links /wheels 'fivetran-orchestrator[vault]'; \
    (cd /wheels && sha256sum *.whl) > /opt/fivetran-orchestrator/wheels.sha256; \
    PYTHONHASHSEED=0 python3 -m compileall -q --invalidation-mode unchecked-hash /opt/fivetran-orchestrator/lib; \
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
# any would compile that anew at each start. It is compiled once more then, in order and by one
# process: what a process has done before decides some of the bytes.
# Nothing stays setuid or setgid: a job that holds credentials has no use for su or mount.
RUN set -eu; code=0; \
    FIVETRAN_ACTION=STATUS CONNECTOR_ID=nobody FIVETRAN_API_KEY=nobodys-key FIVETRAN_API_SECRET=nobodys-secret \
    FIVETRAN_API_URL=http://127.0.0.1:1 FIVETRAN_RETRY_LIMIT=1 FIVETRAN_REPORT_DIR=/tmp/report \
    /dataops || code=$?; \
    test "$code" -eq 6; \
    find /usr -xdev -path '*/__pycache__/*' -name '*.pyc' | LC_ALL=C sort > /tmp/compiled; \
    sed 's|/__pycache__/\([^/]*\)\.cpython-[0-9]*\.pyc$|/\1.py|' /tmp/compiled > /tmp/sources; \
    xargs rm < /tmp/compiled; \
    PYTHONHASHSEED=0 python3 -B -m compileall -q --invalidation-mode unchecked-hash -i /tmp/sources; \
    rm -r /tmp/report /tmp/compiled /tmp/sources; \
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
