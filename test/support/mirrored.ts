import { gateway, service, virtualService } from './yaml.ts'

export interface MirroredOptions {
  /** Port name of both Services, which decides the protocol upstream. Default `http`. */
  readonly portName?: string
  /** Flow YAML beside `route` and `mirror` in the http rule: `timeout: 1s`. */
  readonly rule?: string
}

/** Requests for app.test on port 80 go to the upstream at `port`, and copies of all to `shadow`. */
export function mirroredTo(port: number, shadow: number, options: MirroredOptions = {}): string {
  const portName = options.portName ?? 'http'
  const rule = options.rule === undefined ? '' : `, ${options.rule}`
  return (
    service('app', port, { portName }) +
    service('shadow', shadow, { portName }) +
    gateway('gw', ['app.test']) +
    virtualService(
      'app',
      ['app.test'],
      ['gw'],
      `  - { route: [{ destination: { host: app } }], mirror: { host: shadow } ${rule} }`,
    )
  )
}

export const SHADOW_CLUSTER = 'outbound|8080||shadow.default.svc.cluster.local'
