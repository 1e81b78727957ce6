// GitHub's own artifact client (npm @actions/artifact), unmodified, for the tests: its zips, and its download.
// What belongs here: calling the client. The package is found in the node_modules beside PACKAGE_DIR.
//
// usage: node artifact.mjs PACKAGE_DIR zip DIRECTORY OUT.zip LEVEL     zips a directory as upload-artifact does
//        node artifact.mjs PACKAGE_DIR fixtures DIRECTORY              makes the tree and the zips that fetch tests read
//        node artifact.mjs PACKAGE_DIR fetch OWNER/REPO RUN NAME OUT   finds and downloads; TOKEN, GITHUB_API_URL are read
import { createHash } from 'node:crypto'
import { createWriteStream, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { pathToFileURL } from 'node:url'

const [packageDir, verb, ...rest] = process.argv.slice(2)
const part = (path) => import(pathToFileURL(resolve(packageDir, 'node_modules/@actions/artifact/lib', path)))

function filesBelow(directory) {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath ?? entry.path, entry.name))
}

async function zip(directory, out, level) {
  const { getUploadZipSpecification } = await part('internal/upload/upload-zip-specification.js')
  const { createZipUploadStream } = await part('internal/upload/zip.js')
  const root = resolve(directory)
  const stream = await createZipUploadStream(getUploadZipSpecification(filesBelow(root).sort(), root), Number(level))
  await pipeline(stream, createWriteStream(out))
}

// Bytes that do not compress and are the same everywhere.
function noise(length) {
  const bytes = Buffer.alloc(length)
  let state = 0x2545f491
  for (let at = 0; at < length; at++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[at] = state & 0xff
  }
  return bytes
}

async function fixtures(directory) {
  const tree = join(directory, 'tree')
  rmSync(directory, { recursive: true, force: true })
  const files = {
    'app.wasm': Buffer.concat([Buffer.from('\0asm\x01\0\0\0', 'latin1'), noise(300_000)]),
    'assets/deep/er/leaf.txt': Buffer.from('leaf\n'),
    'assets/naïve – 名前.txt': Buffer.from('names are UTF-8\n'),
    'empty.txt': Buffer.alloc(0),
    'index.html': Buffer.from('<!DOCTYPE html><title>good</title>\n'.repeat(2_000)),
  }
  for (const [path, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(tree, path)), { recursive: true })
    writeFileSync(join(tree, path), bytes)
  }
  const paths = Object.keys(files).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  const line = (path) => `${createHash('sha256').update(readFileSync(join(tree, path))).digest('hex')}  ${path}\n`
  writeFileSync(join(directory, 'SHA256SUMS'), paths.map(line).join(''))
  for (const [name, level] of [['stored.zip', 0], ['deflated.zip', 6]]) {
    const unfinished = join(directory, `.${name}`)
    await zip(tree, unfinished, level)
    renameSync(unfinished, join(directory, name))
  }
}

async function fetch(repository, run, name, out) {
  const { DefaultArtifactClient } = await part('artifact.js')
  const [repositoryOwner, repositoryName] = repository.split('/')
  const findBy = { token: process.env.TOKEN, workflowRunId: Number(run), repositoryOwner, repositoryName }
  const client = new DefaultArtifactClient()
  const { artifacts } = await client.listArtifacts({ findBy })
  const { artifact } = await client.getArtifact(name, { findBy })
  const got = await client.downloadArtifact(artifact.id, { path: out, findBy, expectedHash: artifact.digest })
  const listed = artifacts.map((each) => each.name)
  const { id, size, digest } = artifact
  writeFileSync(join(dirname(out), 'fetched.json'), JSON.stringify({ listed, id, size, digest, mismatch: got.digestMismatch }))
}

const verbs = { zip, fixtures, fetch }
if (!verbs[verb]) {
  console.error(`found verb ${verb}, expected one of ${Object.keys(verbs).join(', ')}: see the head of artifact.mjs`)
  process.exit(2)
}
await verbs[verb](...rest)
