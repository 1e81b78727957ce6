# The action's image: one static binary and nothing else. No USER: the runner's files belong to other users, and
# GitHub's documentation asks for root in docker actions.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# --target keeps the flag away from build scripts and procedural macros.
RUN target="$(rustc --print host-tuple)" \
 && RUSTFLAGS='-C target-feature=+crt-static' \
    cargo build --locked --release --bin lastgood --target "$target" \
 && mkdir -p /image/tmp \
 && chmod 1777 /image/tmp \
 && cp "target/$target/release/lastgood" /image/lastgood

FROM scratch
COPY --from=build /image/ /
ENTRYPOINT ["/lastgood"]
