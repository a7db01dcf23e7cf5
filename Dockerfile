# One recipe for the six images:  docker build --build-arg SERVICE=dlp --tag secumail/dlp:0.1.0 .
# An image holds the kernel, one service and that service's hashed requirements; no compiler, no other service.

ARG PYTHON=3.11.14-slim-bookworm

FROM python:${PYTHON} AS built
ARG SERVICE
COPY requirements/${SERVICE}.txt requirements/compiler.txt /requirements/
# Wheels only: nothing a package author wrote runs during the build. Every file is held to the hash in the lock.
RUN python -m venv --without-pip /opt/secumail \
    && pip --python /opt/secumail/bin/python install --no-cache-dir --no-deps --only-binary :all: --require-hashes \
        --requirement "/requirements/${SERVICE}.txt" \
    && python -m compileall -q /opt/secumail/lib
# The few modules that are compiled to machine code (docs/decisions/0052, 0053) are so here; their source stays behind.
# hadolint ignore=DL3008
RUN if [ "${SERVICE}" = dlp ] || [ "${SERVICE}" = stego ]; then \
        apt-get update \
        && apt-get install --yes --no-install-recommends gcc libc6-dev \
        && pip install --no-cache-dir --no-deps --only-binary :all: --require-hashes \
            --requirement /requirements/compiler.txt \
        && rm -rf /var/lib/apt/lists/*; \
    fi
WORKDIR /srv/secumail
COPY services/__init__.py services/
COPY services/${SERVICE}/ services/${SERVICE}/
RUN find services -name '*.pyx' -exec cythonize --inplace {} + \
    && find services '(' -name '*.pyx' -o -name '*.pxd' -o -name '*.c' ')' -delete \
    && rm -rf build

FROM python:${PYTHON}
ARG SERVICE
LABEL org.opencontainers.image.title="secumail/${SERVICE}" \
      org.opencontainers.image.licenses="Apache-2.0"

# Archives other than zip and tar are read by libarchive, the words in pictures by tesseract, both in dlp's child
# processes alone. Their versions are those of the base image's release, with that release's security updates.
# hadolint ignore=DL3008
RUN if [ "${SERVICE}" = dlp ]; then \
        apt-get update \
        && apt-get install --yes --no-install-recommends \
            libarchive13 tesseract-ocr tesseract-ocr-eng tesseract-ocr-deu \
        && rm -rf /var/lib/apt/lists/*; \
    fi

COPY --from=built /opt/secumail /opt/secumail
WORKDIR /srv/secumail
COPY LICENSE THIRD-PARTY-NOTICES.md ./
COPY secumail/ secumail/
COPY --from=built /srv/secumail/services/ services/
# The code belongs to root and is compiled here, so the process can neither change it nor needs to write beside it.
RUN python -m compileall -q secumail services

ENV PATH=/opt/secumail/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SECUMAIL_SERVICE=${SERVICE} \
    SECUMAIL_BIND=0.0.0.0 \
    SECUMAIL_HEALTH_PORT=8080

USER 10001:10001
EXPOSE 8080
# `python -m services.$SECUMAIL_SERVICE` without a shell to expand the name.
ENTRYPOINT ["python"]
CMD ["-c", "import os, runpy; runpy.run_module('services.' + os.environ['SECUMAIL_SERVICE'], run_name='__main__', alter_sys=True)"]
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-I", "-S", "-c", "import urllib.request as http; http.urlopen('http://127.0.0.1:8080/readyz', timeout=4)"]
