import {
  any,
  boolean,
  type Infer,
  integer,
  list,
  map,
  object,
  string,
} from '../../config/schema.ts'

const destination = object({
  /** Short names as in a VirtualService: of the namespace of the rule's resource. */
  host: string,
  /** The whole name: `outbound|8080|v1|web.shop.svc.cluster.local`. */
  cluster: string,
  subset: string,
  port: integer,
  weight: integer,
})

const expectation = object({
  virtualService: string,
  route: string,
  rule: string,
  cluster: string,
  destinations: list(destination),
  status: integer,
  flag: string,
  redirect: string,
  directResponse: object({ status: integer, body: string }),
  rewrite: object({ path: string, authority: string }),
  headers: map(string),
  withoutHeaders: list(string),
  virtualHost: string,
  listener: string,
  gateway: string,
  filters: list(string),
  refused: boolean,
})

const request = object({
  method: string,
  url: string,
  headers: map(string),
  sni: string,
  port: integer,
  egress: boolean,
  from: string,
})

/** A file of route cases: docs/testing-routes.md. */
export const caseFileSchema = object({
  configuration: list(string),
  /** One mapping, or a list of them for a process that stands for several gateways. */
  labels: any,
  namespace: string,
  domain: string,
  meshConfig: string,
  compat: boolean,
  cases: list(object({ name: string, request, expect: expectation })),
})

export type CaseFileSpec = Infer<typeof caseFileSchema>
export type CaseSpec = NonNullable<CaseFileSpec['cases']>[number]
export type RequestSpec = NonNullable<CaseSpec['request']>
export type Expectation = NonNullable<CaseSpec['expect']>
export type DestinationExpectation = NonNullable<Expectation['destinations']>[number]

/** One label set, or several. */
export const labelsSchema = list(map(string))
