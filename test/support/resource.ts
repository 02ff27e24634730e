import { parse } from 'yaml'
import type { Resource } from '../../src/config/resource.ts'

interface Document {
  readonly kind?: string
  readonly apiVersion?: string
  readonly metadata?: { readonly name?: string; readonly namespace?: string }
  readonly spec?: unknown
}

/** A Resource from the text of one YAML document: no shape check, no line numbers. */
export function resourceFrom(text: string): Resource<unknown> {
  const document = parse(text) as Document
  return resourceOf(document.kind ?? '', document.spec ?? {}, document.metadata)
}

/** A Resource around a ready-made spec. */
export function resourceOf(
  kind: string,
  spec: unknown,
  metadata: {
    readonly name?: string
    readonly namespace?: string
    readonly annotations?: Readonly<Record<string, string>>
  } = {},
): Resource<unknown> {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind,
    metadata: {
      name: metadata.name ?? 'example',
      namespace: metadata.namespace ?? 'default',
      labels: {},
      annotations: metadata.annotations ?? {},
      creationTimestamp: null,
    },
    spec,
    location: { file: null, line: null, lineOf: () => null },
    digest: '',
  }
}
