# An image that trains. By default on the CPU, with Debian's libtorch and OpenBLAS:
#
#	docker build -t imori .
#	docker run -u $(id -u) -v $PWD/data:/data -v $PWD/runs:/runs imori -recipe dcgan_digits
#
# For NVIDIA GPUs give a libtorch with CUDA: an archive with shared libraries from pytorch.org, and its SHA-256:
#
#	docker build -t imori:cuda --build-arg VARIANT=cuda --build-arg LIBTORCH_URL=https://... --build-arg LIBTORCH_SHA256=... .
#	docker run --gpus all -u $(id -u) -v $PWD/data:/data -v $PWD/runs:/runs imori:cuda -recipe dcgan_digits

FROM docker.io/library/golang:1.26-bookworm AS build
ARG VARIANT=cpu
ARG LIBTORCH_URL=
ARG LIBTORCH_SHA256=
RUN set -eu; \
	case "$VARIANT" in \
	cpu) packages="libtorch-dev libopenblas0-openmp" ;; \
	cuda) packages="ca-certificates curl unzip"; \
		if [ -z "$LIBTORCH_URL" ] || [ -z "$LIBTORCH_SHA256" ]; then \
			echo "VARIANT=cuda needs --build-arg LIBTORCH_URL=... and --build-arg LIBTORCH_SHA256=..." >&2; exit 1; \
		fi ;; \
	*) echo "VARIANT is cpu or cuda, got $VARIANT" >&2; exit 1 ;; \
	esac; \
	apt-get update; \
	apt-get install -y --no-install-recommends g++ $packages; \
	rm -rf /var/lib/apt/lists/*; \
	if [ "$VARIANT" = cuda ]; then \
		curl -fsSL --retry 3 -o /tmp/libtorch.zip "$LIBTORCH_URL"; \
		sum=$(sha256sum /tmp/libtorch.zip | cut -d " " -f 1); \
		if [ "$sum" != "$LIBTORCH_SHA256" ]; then \
			echo "$LIBTORCH_URL has the SHA-256 $sum, not LIBTORCH_SHA256=$LIBTORCH_SHA256" >&2; exit 1; \
		fi; \
		unzip -q /tmp/libtorch.zip -d /opt; \
		rm -f /tmp/libtorch.zip /opt/libtorch/lib/*.a; \
	fi
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
# The C++ by itself, so that a change to Go code does not compile it again. With a libtorch of its own the library goes
# below $HOME, and keeps that path in the last stage. The set-up that make calls later remembers this libtorch.
ENV HOME=/opt/imori
COPY cgotorch cgotorch
COPY tools/setup tools/setup
COPY torchx/safetensors/atomicfile torchx/safetensors/atomicfile
RUN if [ "$VARIANT" = cuda ]; then export LIBTORCH=/opt/libtorch; fi; go run ./tools/setup -no-install
COPY . .
ARG VERSION=unknown
# What goes into the last stage, in two parts: libtorch changes seldom and is large.
RUN set -eu; \
	make build VERSION="$VERSION"; \
	mkdir -p /out/libtorch /out/imori/usr/local/bin /out/imori/usr/local/lib; \
	cp bin/* /out/imori/usr/local/bin/; \
	if [ "$VARIANT" = cuda ]; then \
		mkdir -p /out/libtorch/opt/libtorch /out/imori/opt/imori; \
		mv /opt/libtorch/lib /out/libtorch/opt/libtorch/; \
		cp -r /opt/imori/.local /out/imori/opt/imori/; \
	else \
		cp /usr/local/lib/libcgotorch.so /out/imori/usr/local/lib/; \
	fi

FROM docker.io/library/debian:bookworm-slim
ARG VARIANT=cpu
RUN set -eu; \
	packages="libtorch1.13 libopenblas0-openmp"; \
	if [ "$VARIANT" = cuda ]; then packages="libgomp1 libstdc++6"; fi; \
	apt-get update; \
	apt-get install -y --no-install-recommends ca-certificates $packages; \
	rm -rf /var/lib/apt/lists/*; \
	mkdir -p /data /runs; \
	chmod 1777 /data /runs # any user may write: docker run -u may name one that the image does not know
COPY --from=build /out/libtorch/ /
COPY --from=build /out/imori/ /
RUN ldconfig
# For the NVIDIA container runtime; others do not read them.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
# The user may have no folder of their own.
ENV HOME=/tmp
# Recipes say data/... and runs/..., which from / are the volumes.
WORKDIR /
VOLUME ["/data", "/runs"]
USER 10001:10001
ENTRYPOINT ["train"]
