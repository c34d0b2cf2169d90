# The central. From the root of the repository: docker build -f packaging/containers/central.Dockerfile -t barrio-central .
# A release names the base by digest: --build-arg PYTHON=python:3.13-slim-bookworm@sha256:…
ARG PYTHON=python:3.13-slim-bookworm

FROM ${PYTHON} AS build
RUN python -m venv --without-pip /opt/barrio && mkdir /opt/barrio/app
COPY packaging/containers/central.lock /tmp/
RUN python -m pip --python /opt/barrio/bin/python install --no-cache-dir --only-binary :all: --require-hashes -r /tmp/central.lock
COPY protos /opt/barrio/app/protos
COPY central /opt/barrio/app/central
RUN python -m compileall -q /opt/barrio/app \
    && printf '#!/bin/sh\nexec python -m central "$@"\n' >/opt/barrio/bin/barrio-central \
    && chmod 755 /opt/barrio/bin/barrio-central

FROM ${PYTHON}
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin barrio \
    && install -d -m 0700 -o barrio -g barrio /data
COPY --from=build /opt/barrio /opt/barrio
ENV PATH=/opt/barrio/bin:$PATH \
    PYTHONPATH=/opt/barrio/app \
    PYTHONDONTWRITEBYTECODE=1 \
    BARRIO_DATA_DIR=/data \
    BARRIO_HTTP=0.0.0.0:51017
USER 10001
VOLUME /data
EXPOSE 51015 51016 51017
HEALTHCHECK --interval=60s --timeout=10s --start-period=30s CMD ["barrio-central", "health"]
ENTRYPOINT ["barrio-central"]
CMD ["serve"]
