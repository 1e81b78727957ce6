// The job with GitHub's own artifact client, unmodified, in the node that its actions run on. It returns a mismatch of
// the digest; the files are checked here. API, TOKEN, NAME, OUT and PACKAGES are in the environment.
import { createHash } from 'node:crypto'
import { createReadStream, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { pathToFileURL } from 'node:url'

const { API, TOKEN, NAME, OUT, PACKAGES } = process.env
process.env.GITHUB_API_URL = API
const client = pathToFileURL(resolve(PACKAGES, 'node_modules/@actions/artifact/lib/artifact.js'))
const { DefaultArtifactClient } = await import(client)

const headers = { authorization: `Bearer ${TOKEN}`, 'user-agent': 'bench', 'x-github-api-version': '2022-11-28' }
const list = await fetch(`${API}/repos/octo/web/actions/workflows/deploy.yml/runs?per_page=100`, { headers })
const run = (await list.json()).workflow_runs.find((each) => each.conclusion === 'success')
const findBy = { token: TOKEN, workflowRunId: run.id, repositoryOwner: 'octo', repositoryName: 'web' }
const artifacts = new DefaultArtifactClient()
const { artifact } = await artifacts.getArtifact(NAME, { findBy })
const got = await artifacts.downloadArtifact(artifact.id, { path: OUT, findBy, expectedHash: artifact.digest })
if (got.digestMismatch) throw new Error('the digest does not match')

const lines = readFileSync(join(OUT, 'SHA256SUMS'), 'utf8').trim().split('\n')
for (const line of lines) {
  const [expected, path] = line.split('  ')
  const hash = createHash('sha256')
  await pipeline(createReadStream(join(OUT, path)), hash)
  if (hash.digest('hex') !== expected) throw new Error(`${path} does not match`)
}
