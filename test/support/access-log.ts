import type { TestGateway } from './gateway.ts'
import { waitFor } from './wait.ts'

/** MeshConfig that logs one short line for each exchange: `path status flags details`. */
export const ACCESS_LOG_MESH = `apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data:
  mesh: |
    accessLogFile: /dev/stdout
    accessLogFormat: "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%"
---
`

export interface LoggedExchange {
  readonly status: string
  readonly flags: string
  readonly details: string
}

/** Waits until every path was logged, then gives the last line of each. */
export async function loggedExchanges(
  gateway: TestGateway,
  paths: readonly string[],
): Promise<ReadonlyMap<string, LoggedExchange>> {
  const read = (): ReadonlyMap<string, LoggedExchange> =>
    new Map(
      gateway
        .accessLog()
        .split('\n')
        .map((line) => line.split(' '))
        .map(([path = '', status = '', flags = '', details = '']) => [
          path,
          { status, flags, details },
        ]),
    )
  await waitFor(`access log lines for ${paths.join(' ')}`, () => {
    const lines = read()
    return paths.every((path) => lines.has(path))
  })
  return read()
}
