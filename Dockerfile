# One image for every part of the distributed form; compose.yaml says what each container runs.
#
# TORCH_INDEX: a package index with torch's CPU build. Without it pip may take a build with gigabytes of CUDA.

FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/vouch
ENV PATH=/opt/vouch/bin:$PATH
COPY requirements /src/requirements
RUN pip install --no-deps --require-hashes -r /src/requirements/lock.txt
ARG TORCH_INDEX=""
RUN pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} -r /src/requirements/apart.txt
COPY . /src
RUN pip install --no-deps --no-build-isolation /src

FROM python:3.11-slim
COPY --from=build /opt/vouch /opt/vouch
RUN useradd --uid 10001 --create-home vouch && install -d -m 0700 -o vouch -g vouch /data
ENV PATH=/opt/vouch/bin:$PATH PYTHONUNBUFFERED=1 \
    HF_HUB_OFFLINE=1 DO_NOT_TRACK=1 UNSTRUCTURED_DISABLE_NOTICE=1
USER vouch
WORKDIR /home/vouch
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["vouch"]
