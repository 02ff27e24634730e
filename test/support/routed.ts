import { gateway, service, virtualService } from './yaml.ts'

export interface RoutedOptions {
  /** Port name of the Service, which decides the protocol upstream. Default `http`. */
  readonly portName?: string
  /** Flow YAML beside `route` in the http rule: `timeout: 1s, retries: { attempts: 0 }`. */
  readonly rule?: string
  /** Flow YAML of a DestinationRule's trafficPolicy. */
  readonly policy?: string
}

/** Configuration that sends every request for app.test on port 80 to the upstream at `port`. */
export function routedTo(port: number, options: RoutedOptions = {}): string {
  const rule = options.rule === undefined ? '' : `, ${options.rule}`
  return (
    service('app', port, { portName: options.portName ?? 'http' }) +
    (options.policy === undefined ? '' : destinationRule('app', options.policy)) +
    gateway('gw', ['app.test']) +
    virtualService(
      'app',
      ['app.test'],
      ['gw'],
      `  - { route: [{ destination: { host: app } }] ${rule} }`,
    )
  )
}

export function destinationRule(host: string, policy: string): string {
  return `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ${host} }
spec: { host: ${host}, trafficPolicy: ${policy} }
---
`
}
