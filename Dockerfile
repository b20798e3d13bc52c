# The gateway alone; no secret is in the image. Run it with a configuration and a volume for the store:
#   docker run -p 8080:8080 -p 127.0.0.1:8081:8081 -v ./gateway.toml:/etc/gateway/gateway.toml:ro -v gateway:/var/lib/gateway gateway
FROM python:3.11-slim AS build
WORKDIR /src
RUN python -m venv /opt/gateway
COPY requirements.lock ./
RUN /opt/gateway/bin/pip install --no-cache-dir --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY gateway gateway
RUN /opt/gateway/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11-slim
RUN useradd --system --create-home --home-dir /var/lib/gateway gateway
COPY --from=build /opt/gateway /opt/gateway
# Loopback inside a container reaches nobody: what is published decides who gets in.
ENV PATH=/opt/gateway/bin:$PATH \
    GATEWAY_DATA__HOST=0.0.0.0 \
    GATEWAY_ADMIN__HOST=0.0.0.0 \
    GATEWAY_OPS__HOST=0.0.0.0
USER gateway
WORKDIR /var/lib/gateway
VOLUME /var/lib/gateway
EXPOSE 8080 8081 9090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9090/livez', timeout=2)"]
ENTRYPOINT ["gateway"]
CMD ["serve", "--config", "/etc/gateway/gateway.toml"]
