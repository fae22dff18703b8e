// Proves the order of the folders: imports only go down, and no feature knows another.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { expect, test } from 'vitest'

const layers = ['lib', 'ui', 'api', 'live', 'trend', 'features', 'app']

const files = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((path) => /\.tsx?$/.test(path) && !path.includes('generated'))

const imports = files.flatMap((from) => {
  const text = readFileSync(join('src', from), 'utf8')
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map((match) => ({
    from,
    to: normalize(join(dirname(from), match[1] ?? '')),
  }))
})

const layerOf = (path: string) => layers.indexOf(path.split('/')[0] ?? '')
const featureOf = (path: string) => /^features\/([^/]+)/.exec(path)?.[1]

const users = (pattern: RegExp) =>
  files.filter((path) => !path.includes('.test.') && pattern.test(readFileSync(join('src', path), 'utf8')))

test('there is something to prove', () => {
  expect(imports.length).toBeGreaterThan(100)
  expect(imports.filter(({ from, to }) => layerOf(from) < 0 || layerOf(to) < 0)).toEqual([])
})

test('imports only go down', () => {
  expect(imports.filter(({ from, to }) => layerOf(to) > layerOf(from))).toEqual([])
})

test('features do not import each other', () => {
  const crossing = imports.filter(({ from, to }) => {
    const [a, b] = [featureOf(from), featureOf(to)]
    return a !== undefined && b !== undefined && a !== b
  })
  expect(crossing).toEqual([])
})

test('only the live layer opens sockets, and only the api layer fetches', () => {
  expect(users(/graphql-ws|new WebSocket/)).toEqual(['live/socket.ts'])
  expect(users(/await fetch\(/)).toEqual(['api/request.ts'])
})
