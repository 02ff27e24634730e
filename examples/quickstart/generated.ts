import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Authority } from '../../certs/authority.ts'

/** The part of the configuration that only this start knows: endpoint ports and the certificate. */
export interface GeneratedConfig {
  readonly folder: string
  readonly authorityFile: string
  remove(): void
}

export interface UpstreamPorts {
  readonly httpd: number
  readonly httpd2: number
  readonly calcclient: number
  readonly baidu: number
}

/** Writes endpoints, the ServiceEntry's address and a fresh Secret into a temporary folder. */
export function writeGeneratedConfig(ports: UpstreamPorts): GeneratedConfig {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-quickstart-'))
  const authority = Authority.create('Tidegate quickstart authority')
  const leaf = authority.issue(['calcclient.com'])
  const authorityFile = join(folder, 'ca.pem')
  writeFileSync(authorityFile, authority.certificate)
  const documents = [
    endpoints('httpd-svc', ports.httpd),
    endpoints('httpd2-svc', ports.httpd2),
    endpoints('calcclient', ports.calcclient),
    serviceEntry(ports.baidu),
    secret(leaf.certificate, leaf.key),
  ]
  writeFileSync(join(folder, 'generated.yaml'), documents.join('---\n'), { mode: 0o600 })
  return { folder, authorityFile, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

function endpoints(service: string, port: number): string {
  return `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: ${service}-1
  labels:
    kubernetes.io/service-name: ${service}
addressType: IPv4
ports:
- name: http
  port: ${port}
endpoints:
- addresses: [127.0.0.1]
`
}

function serviceEntry(port: number): string {
  return `apiVersion: networking.istio.io/v1alpha3
kind: ServiceEntry
metadata:
  name: svc-entry
spec:
  hosts:
  - www.baidu.com
  ports:
  - number: 8080
    name: http
    protocol: HTTP
    targetPort: ${port}
  resolution: STATIC
  endpoints:
  - address: 127.0.0.1
`
}

function secret(certificate: string, key: string): string {
  return `apiVersion: v1
kind: Secret
metadata:
  name: calcclient-cert
  namespace: istio-system
type: kubernetes.io/tls
data:
  tls.crt: ${Buffer.from(certificate).toString('base64')}
  tls.key: ${Buffer.from(key).toString('base64')}
`
}
