# The action's image: one static binary and nothing else. No USER: the runner's files belong to other users, and
# GitHub's documentation asks for root in docker actions.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# .cargo/config.toml makes it static.
RUN cargo build --locked --release --bin lastgood \
 && mkdir -p /image/tmp \
 && chmod 1777 /image/tmp \
 && cp target/*-linux-gnu/release/lastgood /image/lastgood

FROM scratch
COPY --from=build /image/ /
ENTRYPOINT ["/lastgood"]
