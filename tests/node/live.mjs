// Subscribes to samples with graphql-ws, the client of the protocol's own makers, and prints each
// batch as a line of JSON, and the close code when the socket closes.
//
//   node live.mjs TAG...      with PARX_HTTP, PARX_USER, PARX_PASSWORD
import { createClient } from 'graphql-ws'
import WebSocket from 'ws'

const { PARX_HTTP, PARX_USER, PARX_PASSWORD } = process.env
const tags = process.argv.slice(2)
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`)
const login = Buffer.from(`${PARX_USER}:${PARX_PASSWORD}`).toString('base64')

const client = createClient({
  url: `ws://${PARX_HTTP}/graphql`,
  webSocketImpl: WebSocket,
  retryAttempts: 0,
  connectionParams: PARX_PASSWORD === undefined ? undefined : { authorization: `Basic ${login}` },
  on: { closed: (event) => say({ closed: event.code, reason: event.reason }) },
})
const query = `subscription ($tags: [String!]) {
  samples(tags: $tags, everyMs: 20) {
    snapshot sequence skipped tags times values texts qualities
  }
}`
try {
  for await (const result of client.iterate({ query, variables: { tags } })) {
    if (result.errors) throw new Error(result.errors.map((error) => error.message).join('; '))
    say(result.data.samples)
  }
} catch (error) {
  say({ error: Array.isArray(error) ? error.map((one) => one.message).join('; ') : String(error.reason ?? error) })
}
