// Cuts GitHub's official OpenAPI description (npm @octokit/openapi) down to the answers that the tests' GitHub double gives,
// as one JSON Schema 2020-12 document: `$defs` holds every component that is reached, plus one entry per answer,
// named `<operationId> <status>`. Also writes GitHub's own example bodies, as `{"<operationId> <status> <example>": body}`.
// What belongs here: reading the description and translating OpenAPI 3.0 to JSON Schema. Validation is the tests' work.
//
// usage: node schema.mjs DESCRIPTION.json SCHEMA_OUT.json EXAMPLES_OUT.json
import { readFileSync, writeFileSync } from 'node:fs'

const OPERATIONS = new Set([
  'actions/get-artifact',
  'actions/get-workflow',
  'actions/get-workflow-run',
  'actions/get-workflow-run-attempt',
  'actions/list-artifacts-for-repo',
  'actions/list-jobs-for-workflow-run',
  'actions/list-jobs-for-workflow-run-attempt',
  'actions/list-repo-workflows',
  'actions/list-workflow-run-artifacts',
  'actions/list-workflow-runs',
  'actions/list-workflow-runs-for-repo',
  'issues/create',
  'rate-limit/get',
  'repos/compare-commits-with-basehead',
  'repos/create-deployment',
  'repos/create-deployment-status',
  'repos/get',
  'repos/list-attestations',
  'repos/list-deployment-statuses',
  'repos/list-deployments',
])

/// What every refusal looks like; most operations do not describe their 401.
const ALWAYS = ['basic-error', 'validation-error']

/// Words for readers, and formats that JSON Schema does not know.
const ANNOTATIONS = new Set(['description', 'title', 'example', 'examples', 'externalDocs', 'deprecated', 'xml', 'nullable', 'discriminator'])

const [, , descriptionFile, schemaFile, examplesFile] = process.argv
if (!examplesFile) {
  console.error('found too few arguments, expected: schema.mjs DESCRIPTION.json SCHEMA_OUT.json EXAMPLES_OUT.json')
  process.exit(2)
}
const description = JSON.parse(readFileSync(descriptionFile, 'utf8'))

const target = (reference) =>
  reference
    .slice(2)
    .split('/')
    .reduce((at, key) => at[key.replaceAll('~1', '/').replaceAll('~0', '~')], description)
const resolved = (thing) => (thing?.$ref ? resolved(target(thing.$ref)) : thing)

const defs = {}
const waiting = []

function reference(pointer) {
  const name = pointer.split('/').at(-1)
  if (!(name in defs)) {
    defs[name] = true
    waiting.push([name, target(pointer)])
  }
  return { $ref: `#/$defs/${name}` }
}

/// One schema of OpenAPI 3.0 as a schema of JSON Schema: `nullable` becomes a type, references move to `$defs`.
function schema(node) {
  if (typeof node !== 'object' || node === null) return node
  if (node.$ref) return reference(node.$ref)
  const out = {}
  for (const [key, value] of Object.entries(node)) {
    if (ANNOTATIONS.has(key) || key.startsWith('x-')) continue
    if (key === 'properties') {
      out.properties = Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, schema(inner)]))
    } else if (['allOf', 'anyOf', 'oneOf'].includes(key)) {
      out[key] = value.map(schema)
    } else if (['items', 'additionalProperties', 'not'].includes(key)) {
      out[key] = schema(value)
    } else if (key === 'format' && value !== 'date-time') {
      continue // the rest is not kept by GitHub itself: a status without a log has the "uri" that is empty
    } else {
      out[key] = value
    }
  }
  if (!node.nullable) return out
  if (typeof out.type === 'string' && !out.enum) return { ...out, type: [out.type, 'null'] }
  return { anyOf: [{ type: 'null' }, out] }
}

const examples = {}
const missing = new Set(OPERATIONS)
for (const methods of Object.values(description.paths)) {
  for (const operation of Object.values(methods)) {
    if (!OPERATIONS.has(operation?.operationId)) continue
    missing.delete(operation.operationId)
    for (const [status, response] of Object.entries(operation.responses)) {
      const json = resolved(response).content?.['application/json']
      if (!json?.schema) continue
      const name = `${operation.operationId} ${status}`
      defs[name] = schema(json.schema)
      for (const [label, example] of Object.entries(json.examples ?? {})) {
        examples[`${name} ${label}`] = resolved(example).value
      }
    }
  }
}
for (const name of ALWAYS) reference(`#/components/schemas/${name}`)
while (waiting.length > 0) {
  const [name, node] = waiting.pop()
  defs[name] = schema(node)
}
if (missing.size > 0) {
  console.error(`found no ${[...missing].join(', ')} in ${descriptionFile}, expected every operation of the double: pin another version`)
  process.exit(1)
}
writeFileSync(schemaFile, JSON.stringify({ $schema: 'https://json-schema.org/draft/2020-12/schema', $defs: defs }))
writeFileSync(examplesFile, JSON.stringify(examples))
console.log(`${Object.keys(defs).length} definitions, ${Object.keys(examples).length} examples`)
