# The console's pages, built by the Node that comes from PyPI. None of what builds them is in the image.
FROM python:3.13-slim AS console
WORKDIR /keytrail
COPY requirements/console.txt requirements/console.txt
RUN pip install --no-cache-dir --require-hashes -r requirements/console.txt
COPY services services
RUN python -m services.console.build && rm -rf .console/node_modules

# The application from its own requirements; the bundled broker and database are not used in a container.
FROM python:3.13-slim
WORKDIR /keytrail
COPY requirements/run.txt requirements/run.txt
RUN pip install --no-cache-dir --require-hashes -r requirements/run.txt
COPY pyproject.toml README.md ./
COPY domain domain
COPY projections projections
COPY services services
COPY --from=console /keytrail/.console .console
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable . \
    && python -m compileall -q domain projections services \
    && groupadd --gid 10001 keytrail && useradd --uid 10001 --gid 10001 --home-dir /keytrail --no-create-home keytrail \
    && install -d -o keytrail -m 700 /run/keytrail/tree
# By number, so that Kubernetes can see that it is not root. Users of the host have no such number.
USER 10001:10001
EXPOSE 8600
# One of: services.api, services.writer, services.projector, services.alert_worker, services.notifier,
# services.audit_devices, services.notary
ENTRYPOINT ["python", "-m"]
CMD ["services.api"]
