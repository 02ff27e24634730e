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
}

export const SCENARIOS: readonly Scenario[] = [
  { name: 'plain', title: 'Plain HTTP/1.1 route', tls: false, http2: false, bodyBytes: 12 },
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
