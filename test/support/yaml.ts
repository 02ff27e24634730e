/** Small resources for tests, as text: a Service with its EndpointSlice, a Gateway, a VirtualService. */
export function service(
  name: string,
  targetPort: number,
  options: { namespace?: string; port?: number; portName?: string } = {},
): string {
  const namespace = options.namespace ?? 'default'
  const portName = options.portName ?? 'http'
  return `apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: ${namespace} }
spec: { ports: [{ name: ${portName}, port: ${options.port ?? 8080} }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: ${name}-1, namespace: ${namespace}, labels: { kubernetes.io/service-name: ${name} } }
addressType: IPv4
ports: [{ name: ${portName}, port: ${targetPort} }]
endpoints: [{ addresses: [127.0.0.1] }]
---
`
}

export function gateway(name: string, hosts: readonly string[], port = 80): string {
  return `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: ${name} }
spec:
  servers:
  - port: { number: ${port}, name: http-${port}, protocol: HTTP }
    hosts: ${JSON.stringify(hosts)}
---
`
}

/** `http` is the YAML of spec.http, indented by two spaces or in flow style. */
export function virtualService(
  name: string,
  hosts: readonly string[],
  gateways: readonly string[],
  http: string,
): string {
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name} }
spec:
  hosts: ${JSON.stringify(hosts)}
  gateways: ${JSON.stringify(gateways)}
  http:
${http}
---
`
}
