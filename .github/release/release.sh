#!/usr/bin/env bash
# What release.yml does, in steps that can be run and tested anywhere. Asks nobody but where it says so; changes nothing outside of
# OUT and the working directory, but for `push`, `draft`, `tag` and `publish`. Each can be run again after it failed.
#
# usage: release.sh check VERSION                   is this checkout the release VERSION (X.Y.Z)?
#        release.sh new VERSION                     is it certain that GitHub has no tag vVERSION? Asks its API
#        release.sh archive BINARY TARGET VERSION OUT    OUT/lastgood-VERSION-TARGET.tar.gz, of a binary that needs no libraries
#        release.sh sums OUT                        OUT/SHA256SUMS of every file in it
#        release.sh context OUT ARCH=BINARY...      what Dockerfile.release copies; ARCH is amd64 or arm64
#        release.sh push CONTEXT NAME VERSION REVISION   pushes NAME:VERSION for both architectures; on stdout
#                                                   digest=, amd64= and arm64=: of the list, and of each image in it
#        release.sh action DIGEST                   action.yml names the image ghcr.io/lastgood/lastgood@DIGEST
#        release.sh notes VERSION                   the section of CHANGELOG.md, on stdout
#        release.sh draft VERSION OUT               a draft of the release on GitHub, with the files of OUT and no others. Nobody sees it
#        release.sh tag VERSION                     commits action.yml, without .github/workflows, and in one push makes it the tag
#                                                   vVERSION and moves vX there
#        release.sh publish VERSION                 the draft becomes the release of the tag vVERSION
set -euo pipefail

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

is_version() { [[ $1 =~ ^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$ ]] || fail "found version '$1', expected X.Y.Z"; }

check() {
  local version=$1 found
  is_version "$version"
  found=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | sed -n 1p)
  [ "$found" = "$version" ] || fail "found version $found in Cargo.toml, expected $version: set it, and let cargo update Cargo.lock"
  grep -A 1 '^name = "lastgood"$' Cargo.lock | grep -qx "version = \"$version\"" ||
    fail "found another version of lastgood in Cargo.lock, expected $version: run cargo check"
  grep -Eqx "## $version - [0-9]{4}-[0-9]{2}-[0-9]{2}" CHANGELOG.md ||
    fail "found no line '## $version - YYYY-MM-DD' in CHANGELOG.md, expected the section of this release: give it its date"
  grep -qx '  image: Dockerfile' action.yml || fail "found no 'image: Dockerfile' in action.yml, expected that of the main branch"
}

# Only "not found" says that there is none: a failure, a limit or a wrong token say nothing.
new() {
  local version=$1 status
  is_version "$version"
  status=$(curl --silent --show-error --max-time 60 --output /dev/null --write-out '%{http_code}' --header @- \
    "$GITHUB_API_URL/repos/$GITHUB_REPOSITORY/git/ref/tags/v$version" <<<"Authorization: Bearer $GH_TOKEN") || status=none
  case $status in
    404) ;;
    200) fail "found the tag v$version, which is never moved: release the next version" ;;
    *) fail "asked GitHub for the tag v$version and found HTTP status $status, expected 404: run it again" ;;
  esac
}

archive() {
  local binary=$1 target=$2 version=$3 out=$4 name staged headers
  is_version "$version"
  [ -f "$binary" ] || fail "found no $binary, expected the binary for $target"
  # A program that asks for no interpreter and no library runs in an image that has neither.
  case $target in
    *-linux-*)
      headers=$(readelf --wide --program-headers --dynamic --section-headers "$binary")
      if grep -E 'INTERP|\(NEEDED\)' <<<"$headers" >&2; then fail "found what a dynamic binary asks for (above), expected a static one for $target"; fi
      if grep -q '\.symtab' <<<"$headers"; then fail "found symbols in $binary, expected a stripped binary: build with --release"; fi
      ;;
  esac
  name=lastgood-$version-$target
  staged=$(mktemp -d)
  mkdir -p "$out" "$staged/$name"
  install -m 755 "$binary" "$staged/$name/lastgood"
  install -m 644 README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT "$staged/$name/"
  # The same files make the same archive: no times, no owners, one order. macOS has another tar, which knows other options, and
  # would add files of its own for extended attributes.
  if tar --version | grep -q GNU; then
    tar -C "$staged" --sort=name --mtime='1970-01-01 00:00:00Z' --owner=0 --group=0 --numeric-owner -cf - "$name" | gzip -n -9 >"$out/$name.tar.gz"
  else
    find "$staged/$name" -exec env TZ=UTC touch -t 197001010000 {} +
    (cd "$staged" && COPYFILE_DISABLE=1 tar --format ustar --uid 0 --gid 0 --numeric-owner -n -cf - "$name" "$name"/*) |
      gzip -n -9 >"$out/$name.tar.gz"
  fi
  rm -rf "$staged"
}

sums() {
  (
    cd "$1"
    rm -f SHA256SUMS
    sha256sum -- * >.sums
    mv .sums SHA256SUMS
  )
}

context() {
  local out=$1 pair arch binary
  shift
  for pair in "$@"; do
    arch=${pair%%=*} binary=${pair#*=}
    case $arch in amd64 | arm64) ;; *) fail "found '$pair', expected amd64=BINARY or arm64=BINARY" ;; esac
    [ -f "$binary" ] || fail "found no $binary, expected the binary for $arch"
    mkdir -p "$out/$arch/tmp"
    install -m 755 "$binary" "$out/$arch/lastgood"
    # Programs expect one, and FROM scratch there is none.
    chmod 1777 "$out/$arch/tmp"
  done
}

# Two images and the list of both. Their digests are what the registry has, so nobody can push in between.
push() {
  local context=$1 name=$2 version=$3 revision=$4 arch listed=() digest list
  is_version "$version"
  for arch in amd64 arm64; do
    BUILDX_NO_DEFAULT_ATTESTATIONS=1 docker build --quiet --no-cache --platform "linux/$arch" --file Dockerfile.release --tag "$name:$version-$arch" \
      --build-arg "TARGETARCH=$arch" --build-arg "VERSION=$version" --build-arg "REVISION=$revision" "$context" >&2
    docker push --quiet "$name:$version-$arch" >&2
    digest=$(docker image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$name:$version-$arch" | grep -F -m 1 "$name@")
    listed+=("$digest")
  done
  docker manifest rm "$name:$version" >/dev/null 2>&1 || true
  docker manifest create ${INSECURE_REGISTRY:+--insecure} "$name:$version" "${listed[@]}" >&2
  list=$(docker manifest push --purge ${INSECURE_REGISTRY:+--insecure} "$name:$version" | grep -Eo 'sha256:[0-9a-f]{64}' | tail -n 1)
  printf 'digest=%s\namd64=%s\narm64=%s\n' "$list" "${listed[0]#*@}" "${listed[1]#*@}"
}

action() {
  [[ $1 =~ ^sha256:[0-9a-f]{64}$ ]] || fail "found digest '$1', expected sha256: and 64 hexadecimal digits"
  [ "$(grep -c '^  image: Dockerfile$' action.yml)" = 1 ] || fail "found no single line '  image: Dockerfile' in action.yml"
  sed "s|^  image: Dockerfile\$|  image: docker://ghcr.io/lastgood/lastgood@$1|" action.yml >action.yml.new
  mv action.yml.new action.yml
}

notes() {
  local version=$1 text
  is_version "$version"
  text=$(awk -v head="## $version - " 'index($0, "## ") == 1 { inside = index($0, head) == 1; next } inside' CHANGELOG.md)
  [ -n "$text" ] || fail "found no section of $version in CHANGELOG.md, expected '## $version - DATE'"
  printf '%s\n' "$text"
}

# Whether GitHub has a release of this version: draft, published or none. Whatever else it says is a failure.
release() {
  local told
  if told=$(gh release view "v$1" --json isDraft --jq 'if .isDraft then "draft" else "published" end' 2>&1); then
    printf '%s\n' "$told"
  elif [ "$told" = 'release not found' ]; then
    printf 'none\n'
  else
    fail "asked GitHub for the release v$1: $told"
  fi
}

# A tag is for ever, so all that can fail is done before it: of a draft everything can be replaced. One that an earlier attempt left
# gets the notes of this one, and keeps no file that this one does not have. What is published stays as it is.
draft() {
  local version=$1 out=$2 found there file
  is_version "$version"
  found=$(release "$version")
  if [ "$found" = published ]; then return; fi
  notes "$version" >"$out.notes"
  if [ "$found" = none ]; then
    gh release create "v$version" --draft --title "$version" --notes-file "$out.notes"
  else
    gh release edit "v$version" --title "$version" --notes-file "$out.notes"
    there=$(gh release view "v$version" --json assets --jq '.assets[].name')
    while read -r file; do
      if [ -n "$file" ] && [ ! -e "$out/$file" ]; then gh release delete-asset "v$version" "$file" --yes; fi
    done <<<"$there"
  fi
  gh release upload "v$version" --clobber "$out"/*
}

publish() {
  local version=$1 found
  is_version "$version"
  found=$(release "$version")
  case $found in
    published) ;;
    draft) gh release edit "v$version" --draft=false --verify-tag ;;
    *) fail "found no draft of v$version, expected the one of release.sh draft" ;;
  esac
}

# The tag of a version is never moved; that of the major version is. Both are pushed at once or not at all, and a tag that names this
# image already is left as it is, with that of the major version, which may be at a later release by now.
#
# The commit has no .github/workflows. GitHub refuses a tag from GITHUB_TOKEN whose workflow files are not those of the tip of some branch
# (actions/checkout#1421), which main may have left by now, or not those of the commit that the tag is moved from; and no key of
# `permissions` allows it (RafPe/pod-certificate-signer#129). Without any there is nothing to compare (int128/release-typescript-action#690).
# An action needs none of them.
tag() {
  local version=$1 commit at
  is_version "$version"
  [ "$(git status --porcelain --untracked-files=no)" = ' M action.yml' ] || fail 'found other changes than that of action.yml, expected it alone'
  at=$(git ls-remote origin "refs/tags/v$version")
  if [ -n "$at" ]; then
    git fetch --quiet --depth 1 origin "refs/tags/v$version"
    if git diff --quiet FETCH_HEAD -- action.yml; then
      git rev-parse 'FETCH_HEAD^{commit}'
      return
    fi
    fail "found the tag v$version of another image, and it is never moved: release the next version"
  fi
  git add action.yml
  git rm -r --quiet --ignore-unmatch .github/workflows
  git commit --quiet --message "Release $version"
  commit=$(git rev-parse HEAD)
  git push --quiet --atomic origin "$commit:refs/tags/v$version" "+$commit:refs/tags/v${version%%.*}"
  printf '%s\n' "$commit"
}

case "${1:-} $#" in
  'check 2' | 'new 2' | 'sums 2' | 'action 2' | 'notes 2' | 'tag 2' | 'publish 2') "$1" "$2" ;;
  'draft 3') draft "$2" "$3" ;;
  'archive 5') archive "$2" "$3" "$4" "$5" ;;
  'push 5') push "$2" "$3" "$4" "$5" ;;
  'context 3' | 'context 4') "$@" ;;
  *) fail "found '$*', expected one of the commands in the head of this file" ;;
esac
