# The application from its own requirements; the bundled broker and database are not used in a container.
FROM python:3.13-slim
WORKDIR /keytrail
COPY requirements/run.txt requirements/run.txt
RUN pip install --no-cache-dir --require-hashes -r requirements/run.txt
COPY pyproject.toml README.md ./
COPY domain domain
COPY projections projections
COPY services services
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable . \
    && python -m compileall -q domain projections services \
    && useradd --system --home-dir /keytrail keytrail
USER keytrail
EXPOSE 8600
# One of: services.api, services.writer, services.projector, services.alert_worker, services.notifier
ENTRYPOINT ["python", "-m"]
CMD ["services.api"]
