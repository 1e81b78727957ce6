//! The examples at the end of each help text. One screen each: what a person in a hurry copies.

pub(super) const ROOT: &str = "\
Examples:
  lastgood rollback --environment production --dry-run   what would be done, and why
  lastgood rollback --environment production             do it
  lastgood list --environment production                 which releases there are
  lastgood ready --environment production                could we roll back now?

Config: .github/lastgood.yml (docs/config.md). Token: GITHUB_TOKEN or GH_TOKEN.
Exit codes: 0 it holds and was verified · 1 error · 2 usage · 10 rolled-back · 11 unhealthy ·
12 still-unhealthy · 13 no-known-good · 14 artifact-refused · 15 refused · 16 inconclusive ·
17 incomplete (run again to resume) · 18 unreachable · 19 not-ready";

pub(super) const ROLLBACK: &str = "\
Examples:
  lastgood rollback -e production --dry-run
  lastgood rollback -e production --reason 'checkout answers 500'
  lastgood rollback -e production --run-id 9130000001
  lastgood rollback -e production --artifact site.zip       GitHub is down
  lastgood rollback --repository o/r --workflow deploy.yml --branch main --deploy-job deploy \\
    --target directory:/srv/web --probe https://example.com/health      no config file";

pub(super) const DEPLOY: &str = "\
Examples:
  lastgood deploy -e production                              the artifact of this workflow run
  lastgood deploy -e production --artifact ./dist            a file or directory on disk
  lastgood deploy -e production --run-id 9130000001 --on-unhealthy fail
  lastgood deploy -e production --artifact ./dist --dry-run";

pub(super) const WATCH: &str = "\
Examples:
  lastgood watch -e production                               after a deploy step of your own
  lastgood watch -e production --on-unhealthy fail           judge only
  lastgood watch --probe https://example.com/health --on-unhealthy fail
  lastgood watch --replay .lastgood/<operation>/probes.jsonl why was it judged so?";

pub(super) const READY: &str = "\
Examples:
  lastgood ready -e production                               before a deploy, and every night
  lastgood ready -e production --run-id 9130000001
  lastgood ready -e production --json";

pub(super) const LIST: &str = "\
Examples:
  lastgood list -e production
  lastgood list --repository o/r --workflow deploy.yml --branch main --deploy-job 'deploy*'
  lastgood list -e production --json";

pub(super) const RECORD: &str = "\
Examples:
  lastgood record -e production --path ./dist                then upload ./dist as the artifact
  lastgood record --path ./dist --target directory:/srv/web
  lastgood record -e production --path ./out --revision queue=v42";

pub(super) const HISTORY: &str = "\
Examples:
  lastgood history
  lastgood history --limit 5 --json";

pub(super) const REPORT: &str = "\
Examples:
  lastgood report > incident.md                              the newest operation
  lastgood report --journal .lastgood/<operation>/journal.jsonl";

pub(super) const COMPLETIONS: &str = "\
Examples:
  lastgood completions bash > /etc/bash_completion.d/lastgood
  lastgood completions zsh > ~/.zfunc/_lastgood";

pub(super) const SCHEMA: &str = "\
Example:
  lastgood schema > lastgood.schema.json";
