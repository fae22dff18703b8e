// The query part of an address, kept legible: /trend?tags=boiler/steam/pressure,hall/co2&range=15m.
// Values are plain strings; what they mean is each route's business.

export type PlainSearch = Record<string, string>

export function parseSearch(text: string): PlainSearch {
  const result: PlainSearch = {}
  for (const [key, value] of new URLSearchParams(text)) result[key] = value
  return result
}

export function stringifySearch(search: Record<string, unknown>): string {
  const parts: string[] = []
  for (const [key, value] of Object.entries(search)) {
    if (typeof value === 'string' && value !== '') parts.push(`${key}=${encode(value)}`)
  }
  return parts.length === 0 ? '' : `?${parts.join('&')}`
}

/** Encodes what must be encoded and leaves what a person reads: slash, colon, comma. */
function encode(value: string): string {
  return encodeURIComponent(value).replace(/%2F/g, '/').replace(/%3A/g, ':').replace(/%2C/g, ',')
}
