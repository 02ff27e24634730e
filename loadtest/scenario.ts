import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Authority } from '../certs/authority.ts'

/** What one comparison sends and gets. */
export interface Scenario {
  /** Name of its results file. */
  readonly name: string
  readonly title: string
  readonly tls: boolean
  /** HTTP/2 from the client; always HTTP/1.1 to the backend. */
  readonly http2: boolean
  /** Bytes of each answer's body. */
  readonly bodyBytes: number
  /** Field lines of each request beside Host. HTTP/1.1 only. */
  readonly fields?: readonly string[]
}

/** What a page's script sends to an API. */
const TEN_FIELDS: readonly string[] = [
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0',
  'Accept: application/json, text/plain, */*',
  'Accept-Language: en-US,en;q=0.5',
  'Accept-Encoding: gzip, deflate, br, zstd',
  'Referer: https://bench.test/orders',
  'Authorization: Bearer 2c1f7a0e5b9d4c3886aa0d1e7f52b94c',
  'Cookie: session=4f6d1c2b8a9e7d5c3b1a0f9e8d7c6b5a; theme=dark',
  'Sec-Fetch-Mode: cors',
  'Sec-Fetch-Site: same-origin',
  'X-Client-Version: 4.17.2',
]

export const SCENARIOS: readonly Scenario[] = [
  { name: 'plain', title: 'Plain HTTP/1.1 route', tls: false, http2: false, bodyBytes: 12 },
  {
    name: 'fields',
    title: 'Plain HTTP/1.1 route, ten request fields',
    tls: false,
    http2: false,
    bodyBytes: 12,
    fields: TEN_FIELDS,
  },
  {
    name: 'body-1k',
    title: 'Plain HTTP/1.1, 1 KiB body',
    tls: false,
    http2: false,
    bodyBytes: 1024,
  },
  {
    name: 'body-64k',
    title: 'Plain HTTP/1.1, 64 KiB body',
    tls: false,
    http2: false,
    bodyBytes: 65_536,
  },
  { name: 'https', title: 'HTTPS keep-alive, HTTP/1.1', tls: true, http2: false, bodyBytes: 12 },
  { name: 'h2', title: 'HTTP/2 (TLS) in, HTTP/1.1 out', tls: true, http2: true, bodyBytes: 12 },
]

/** Certificate and key in one folder, as each proxy likes them. */
export interface TlsFiles {
  readonly certificate: string
  readonly key: string
  /** Both in one file (HAProxy). */
  readonly combined: string
  readonly certificatePem: string
  readonly keyPem: string
}

export function writeTlsFiles(folder: string): TlsFiles {
  const pair = Authority.create('bench authority').issue(['bench.test'])
  const files = {
    certificate: join(folder, 'bench.crt'),
    key: join(folder, 'bench.key'),
    combined: join(folder, 'bench.pem'),
  }
  writeFileSync(files.certificate, pair.certificate)
  writeFileSync(files.key, pair.key)
  writeFileSync(files.combined, pair.certificate + pair.key)
  return { ...files, certificatePem: pair.certificate, keyPem: pair.key }
}
