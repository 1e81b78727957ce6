#!/usr/bin/env bash
# The job with curl, jq, unzip and sha256sum. API, TOKEN, NAME and OUT are in the environment.
set -euo pipefail
ask() { curl -sSf -H "Authorization: Bearer $TOKEN" -H 'X-GitHub-Api-Version: 2022-11-28' "$@"; }
repo=$API/repos/octo/web/actions
run=$(ask "$repo/workflows/deploy.yml/runs?per_page=100" | jq '[.workflow_runs[] | select(.conclusion == "success")][0].id')
read -r id digest < <(ask "$repo/runs/$run/artifacts?name=$NAME&per_page=100" | jq -r '.artifacts[0] | "\(.id) \(.digest)"')
place=$(ask -o /dev/null -w '%{redirect_url}' "$repo/artifacts/$id/zip")
curl -sSf -o "$OUT.zip" "$place"
echo "${digest#sha256:}  $OUT.zip" | sha256sum -c --quiet
unzip -q "$OUT.zip" -d "$OUT"
cd "$OUT"
sha256sum -c --quiet SHA256SUMS
