/** How the documents are spread over files. */
export type Layout = 'folder' | 'one-file'

export interface ScaleFile {
  readonly path: string
  readonly text: string
}

/** Hosts share one Gateway port; every VirtualService leads to one of this many services. */
const BACKENDS = 100
/** The wildcard server names no host, so that the host table holds only VirtualServices' hosts. */
const GATEWAY = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge, namespace: apps }
spec: { servers: [{ port: { number: 8080, name: http, protocol: HTTP }, hosts: ["*"] }] }
`

/** The host of VirtualService `index`. */
export function hostOf(index: number): string {
  return `app-${index}.example.com`
}

/** A Gateway, services, and `count` VirtualServices of three rules each. */
export function scaleFiles(count: number, layout: Layout): ScaleFile[] {
  const common = [GATEWAY, ...Array.from({ length: BACKENDS }, (_, at) => backend(at))]
  const services = Array.from({ length: count }, (_, at) => virtualService(at, 0))
  if (layout === 'one-file') {
    return [{ path: 'all.yaml', text: [...common, ...services].join('---\n') }]
  }
  return [
    { path: 'common.yaml', text: common.join('---\n') },
    ...services.map((text, at) => ({ path: fileOf(at), text })),
  ]
}

export function fileOf(index: number): string {
  return `virtual-service-${String(index).padStart(5, '0')}.yaml`
}

/** `version` shows in the answer of the rule `/version`. */
export function virtualService(index: number, version: number): string {
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: app-${index}
  namespace: apps
spec:
  hosts:
    - ${hostOf(index)}
  gateways:
    - edge
  http:
    - name: version
      match:
        - uri:
            exact: /version
      directResponse:
        status: 200
        body:
          string: "version ${version}"
    - name: api
      match:
        - uri:
            prefix: /api/
          headers:
            x-tenant:
              exact: tenant-${index}
      rewrite:
        uri: /
      timeout: 5s
      route:
        - destination:
            host: backend-${index % BACKENDS}.apps.example
            port:
              number: 8080
    - name: rest
      route:
        - destination:
            host: backend-${index % BACKENDS}.apps.example
            port:
              number: 8080
`
}

function backend(index: number): string {
  return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: backend-${index}, namespace: apps }
spec:
  hosts: [backend-${index}.apps.example]
  ports: [{ number: 8080, name: http, protocol: HTTP }]
  resolution: STATIC
  endpoints: [{ address: 10.0.${index >> 8}.${index & 255} }]
`
}
