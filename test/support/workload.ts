export interface WorkloadOptions {
  readonly port: number
  readonly labels?: Readonly<Record<string, string>>
  /** Name of the Service port it serves: `http` unless told otherwise, '' for a port without name. */
  readonly portName?: string
  readonly address?: string
}

/** A Pod called `name` and the EndpointSlice that makes it an endpoint of `service`, as YAML. */
export function workload(service: string, name: string, options: WorkloadOptions): string {
  const { port, labels = {}, portName = 'http', address = '127.0.0.1' } = options
  const slice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${service}-${name}-${portName}`.replace(/-$/, ''),
      labels: { 'kubernetes.io/service-name': service },
    },
    addressType: 'IPv4',
    ports: [portName === '' ? { port } : { name: portName, port }],
    endpoints: [{ addresses: [address], targetRef: { kind: 'Pod', name } }],
  }
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels },
    status: { podIP: address },
  }
  return `${JSON.stringify(slice)}\n---\n${JSON.stringify(pod)}\n---\n`
}

/** The EndpointSlice alone: for a second port of a Pod that is written already. */
export function anotherPort(service: string, name: string, options: WorkloadOptions): string {
  return `${workload(service, name, options).split('\n---\n', 1)[0] ?? ''}\n---\n`
}
