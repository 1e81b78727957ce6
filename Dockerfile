# The action's image, built from source: what `uses: ./` and a checkout of the main branch run. A release has its image
# ready-made (Dockerfile.release), and action.yml of its tag names it by digest.
#
# One static binary and nothing else. No USER: the runner's files belong to other users, and GitHub's documentation asks
# for root in docker actions.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# .cargo/config.toml makes it static.
RUN cargo build --locked --release --bin lastgood \
 && mkdir -p /image/tmp \
 && chmod 1777 /image/tmp \
 && cp target/*-linux-gnu/release/lastgood /image/lastgood

FROM scratch
LABEL org.opencontainers.image.title="lastgood" \
      org.opencontainers.image.description="Rolls a deployment back to the last release that was proven good, and proves that it worked" \
      org.opencontainers.image.source="https://github.com/lastgood/lastgood" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=build /image/ /
ENTRYPOINT ["/lastgood"]
