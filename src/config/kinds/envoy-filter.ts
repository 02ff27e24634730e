import { any, type Infer, integer, list, map, object, oneOf, string } from '../schema.ts'
import { workloadSelector } from './istio-common.ts'

export const envoyFilterSchema = object({
  workloadSelector,
  targetRefs: list(object({ group: string, kind: string, name: string, namespace: string })),
  configPatches: list(
    object({
      applyTo: oneOf(
        'INVALID',
        'LISTENER',
        'FILTER_CHAIN',
        'NETWORK_FILTER',
        'HTTP_FILTER',
        'ROUTE_CONFIGURATION',
        'VIRTUAL_HOST',
        'HTTP_ROUTE',
        'CLUSTER',
        'EXTENSION_CONFIG',
        'BOOTSTRAP',
        'LISTENER_FILTER',
      ),
      match: object({
        context: oneOf('ANY', 'SIDECAR_INBOUND', 'SIDECAR_OUTBOUND', 'GATEWAY', 'WAYPOINT'),
        proxy: object({ proxyVersion: string, metadata: map(string) }),
        listener: object({
          name: string,
          portNumber: integer,
          portName: string,
          listenerFilter: string,
          filterChain: object({
            name: string,
            sni: string,
            transportProtocol: string,
            applicationProtocols: string,
            destinationPort: integer,
            filter: object({ name: string, subFilter: object({ name: string }) }),
          }),
        }),
        routeConfiguration: object({
          name: string,
          portNumber: integer,
          portName: string,
          gateway: string,
          vhost: object({
            name: string,
            domainName: string,
            route: object({
              name: string,
              action: oneOf('ANY', 'ROUTE', 'REDIRECT', 'DIRECT_RESPONSE'),
            }),
          }),
        }),
        cluster: object({ name: string, service: string, subset: string, portNumber: integer }),
      }),
      patch: object({
        operation: oneOf(
          'INVALID',
          'MERGE',
          'ADD',
          'REMOVE',
          'INSERT_BEFORE',
          'INSERT_AFTER',
          'INSERT_FIRST',
          'REPLACE',
          'MERGE_AND_REPLACE_LIST',
        ),
        filterClass: oneOf('UNSPECIFIED', 'AUTHN', 'AUTHZ', 'STATS'),
        value: any,
      }),
    }),
  ),
  priority: integer,
})

export type EnvoyFilterSpec = Infer<typeof envoyFilterSchema>
export type ConfigPatchSpec = NonNullable<EnvoyFilterSpec['configPatches']>[number]
