import type { CertificatePair } from '../../certs/authority.ts'

/** A TLS Secret, in the namespace of the gateway unless told otherwise. */
export function tlsSecret(name: string, pair: CertificatePair, namespace = 'istio-system'): string {
  return secret(name, { 'tls.crt': pair.certificate, 'tls.key': pair.key }, namespace)
}

export function secret(
  name: string,
  data: Readonly<Record<string, string>>,
  namespace = 'istio-system',
): string {
  const document = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace },
    stringData: data,
  }
  return `${JSON.stringify(document)}\n---\n`
}

/** One HTTPS server of a Gateway: hosts, and the flow YAML of its tls block. */
export interface HttpsServer {
  readonly hosts: readonly string[]
  readonly tls: string
}

/** A Gateway with HTTPS servers on port 443. */
export function httpsGateway(name: string, servers: readonly HttpsServer[]): string {
  const list = servers.map(
    ({ hosts, tls }, index) =>
      `  - { port: { number: 443, name: https-${index}, protocol: HTTPS }, hosts: ${JSON.stringify(hosts)}, tls: ${tls} }\n`,
  )
  return `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: ${name} }
spec:
  servers:
${list.join('')}---
`
}
