import {
  boolean,
  duration,
  ignored,
  type Infer,
  integer,
  list,
  map,
  object,
  oneOf,
  string,
} from '../schema.ts'
import { destination, headers, percent, stringMatch } from './istio-common.ts'

const httpMatch = object({
  name: string,
  uri: stringMatch,
  scheme: stringMatch,
  method: stringMatch,
  authority: stringMatch,
  headers: map(stringMatch),
  port: integer,
  sourceLabels: map(string),
  gateways: list(string),
  queryParams: map(stringMatch),
  ignoreUriCase: boolean,
  withoutHeaders: map(stringMatch),
  sourceNamespace: string,
  statPrefix: ignored(string, 'per-route statistics have no prefix of their own'),
})

const httpRoute = object({
  name: string,
  match: list(httpMatch),
  route: list(object({ destination, weight: integer, headers })),
  redirect: object({
    uri: string,
    prefixRewrite: string,
    authority: string,
    port: integer,
    derivePort: oneOf('FROM_PROTOCOL_DEFAULT', 'FROM_REQUEST_PORT'),
    scheme: string,
    redirectCode: integer,
  }),
  directResponse: object({ status: integer, body: object({ string, bytes: string }) }),
  delegate: object({ name: string, namespace: string }),
  rewrite: object({
    uri: string,
    authority: string,
    uriRegexRewrite: object({ match: string, rewrite: string }),
  }),
  timeout: duration,
  retries: object({
    attempts: integer,
    perTryTimeout: duration,
    retryOn: string,
    retryRemoteLocalities: boolean,
    retryIgnorePreviousHosts: boolean,
    backoff: duration,
  }),
  fault: object({
    delay: object({
      percent: integer,
      fixedDelay: duration,
      exponentialDelay: duration,
      percentage: percent,
    }),
    abort: object({
      httpStatus: integer,
      grpcStatus: string,
      http2Error: string,
      percentage: percent,
    }),
  }),
  mirror: destination,
  mirrorPercent: integer,
  mirrorPercentage: percent,
  mirrors: list(object({ destination, percentage: percent })),
  corsPolicy: object({
    allowOrigin: list(string),
    allowOrigins: list(stringMatch),
    allowMethods: list(string),
    allowHeaders: list(string),
    exposeHeaders: list(string),
    maxAge: duration,
    allowCredentials: boolean,
    unmatchedPreflights: oneOf('UNSPECIFIED', 'FORWARD', 'IGNORE'),
  }),
  headers,
})

const l4Match = {
  destinationSubnets: ignored(list(string), 'Istio evaluates it in sidecars only'),
  port: integer,
  sourceLabels: map(string),
  gateways: list(string),
  sourceNamespace: string,
}

const routeDestinations = list(object({ destination, weight: integer }))

export const virtualServiceSchema = object({
  hosts: list(string),
  gateways: list(string),
  http: list(httpRoute),
  tls: list(
    object({
      match: list(object({ sniHosts: list(string), ...l4Match })),
      route: routeDestinations,
    }),
  ),
  tcp: list(
    object({
      match: list(
        object({ ...l4Match, sourceSubnet: ignored(string, 'Istio never implemented it') }),
      ),
      route: routeDestinations,
    }),
  ),
  exportTo: list(string),
})

export type VirtualServiceSpec = Infer<typeof virtualServiceSchema>
export type HttpRouteSpec = NonNullable<VirtualServiceSpec['http']>[number]
export type HttpMatchSpec = NonNullable<HttpRouteSpec['match']>[number]
export type TcpRouteSpec = NonNullable<VirtualServiceSpec['tcp']>[number]
export type DestinationSpec = Infer<typeof destination>
export type StringMatchSpec = Infer<typeof stringMatch>
export type HeadersSpec = Infer<typeof headers>
export type RedirectSpec = NonNullable<HttpRouteSpec['redirect']>
