# Our image on Kubernetes: Dagster's code, the union's workers and the lake's writers are one program with different arguments.
#   docker build --tag registry.example/team/dropless:TAG . && docker push registry.example/team/dropless:TAG
# The contracts in pipeline_assets/defs are part of it, as are Helm and kubectl, with which Dagster provisions.
FROM python:3.11-slim-bookworm

WORKDIR /opt/dropless
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DROPLESS_CACHE=/opt/cache PATH=/opt/venv/bin:$PATH

COPY local_stack/pip/uv.lock requirements.lock ./
RUN python -m venv /opt/venv \
 && pip install --no-cache-dir --require-hashes -r uv.lock \
 && uv pip install --no-cache --python /opt/venv/bin/python --require-hashes -r requirements.lock

COPY . .
RUN uv pip install --no-cache --python /opt/venv/bin/python --no-deps --no-build-isolation --editable . \
 && python -c "from dropless.settings import Settings; from local_stack.helm import tools; tools(Settings.load())" \
 && mkdir -p /opt/cache/helm-home /var/lib/dropless && chown -R 1000:1000 /opt/cache/helm-home /var/lib/dropless

USER 1000:1000
