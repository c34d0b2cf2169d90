# A headless peer. From the root of the repository: docker build -f packaging/containers/peer.Dockerfile -t barrio-peer .
# A release names the base by digest: --build-arg PYTHON=python:3.13-slim-bookworm@sha256:…
ARG PYTHON=python:3.13-slim-bookworm

FROM ${PYTHON} AS build
RUN python -m venv --without-pip /opt/barrio && mkdir /opt/barrio/app
COPY packaging/containers/peer.lock /tmp/
RUN python -m pip --python /opt/barrio/bin/python install --no-cache-dir --only-binary :all: --require-hashes -r /tmp/peer.lock
COPY protos /opt/barrio/app/protos
COPY peer_core /opt/barrio/app/peer_core
RUN python -m compileall -q /opt/barrio/app \
    && printf '#!/bin/sh\nexec python -m peer_core "$@"\n' >/opt/barrio/bin/barrio-peer \
    && chmod 755 /opt/barrio/bin/barrio-peer

FROM ${PYTHON}
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin barrio \
    && install -d -m 0700 -o barrio -g barrio /data /downloads
COPY --from=build /opt/barrio /opt/barrio
ENV PATH=/opt/barrio/bin:$PATH \
    PYTHONPATH=/opt/barrio/app \
    PYTHONDONTWRITEBYTECODE=1 \
    BARRIO_KEYRING=off \
    BARRIO_DATA_DIR=/data \
    BARRIO_DOWNLOAD_DIR=/downloads \
    BARRIO_HTTP=0.0.0.0:51021
USER 10001
VOLUME /data /downloads
EXPOSE 51020 51021
HEALTHCHECK --interval=60s --timeout=10s --start-period=30s CMD ["barrio-peer", "health"]
ENTRYPOINT ["barrio-peer"]
CMD ["run"]
