import type { FilterFactory, FilterLayer, RuleField } from '../filters/filter.ts'
import { mergeObjects } from './envoy-filters-merge.ts'
import type { HttpFilterPatch } from './envoy-filters-patch.ts'

const ROUTER = 'envoy.filters.http.router'

/** The filters of Istio's own gateway chain that patches use as anchors, in order. */
const BUILT_IN = [
  'istio.metadata_exchange',
  'envoy.filters.http.grpc_stats',
  'istio.alpn',
  'envoy.filters.http.fault',
  'envoy.filters.http.cors',
  'tidegate.rate_limit_policy',
  'istio.stats',
  ROUTER,
] as const

/** Built-in filters that do what a rule of a VirtualService says. */
const RULE_FIELDS: Readonly<Record<string, RuleField>> = {
  'envoy.filters.http.fault': 'fault',
  'envoy.filters.http.cors': 'corsPolicy',
  'tidegate.rate_limit_policy': 'rateLimitPolicies',
}

/** One HTTP filter of a listener. Built-in ones have no patch. */
interface ChainFilter {
  readonly name: string
  /** The field of the route's rule that a built-in filter reads, or null. */
  readonly field: RuleField | null
  readonly factory: FilterFactory | null
  readonly layer: FilterLayer | null
  readonly patch: HttpFilterPatch | null
}

/** The chain of one listener, and how the patches fared that matched it. */
export interface HttpChain {
  /** In front of the router, in order. */
  readonly running: readonly ChainFilter[]
  /** Behind the router: never runs. */
  readonly behindRouter: readonly ChainFilter[]
  /** Patches whose anchor is not in the chain. */
  readonly withoutAnchor: readonly HttpFilterPatch[]
  /** Patches that meant to change one of the built-in filters. */
  readonly onBuiltIn: readonly HttpFilterPatch[]
}

/** Applies patches to Istio's chain: insertions and removals in order, then merges. */
export function buildChain(patches: readonly HttpFilterPatch[]): HttpChain {
  let chain: ChainFilter[] = BUILT_IN.map((name) => ({
    name,
    field: RULE_FIELDS[name] ?? null,
    factory: null,
    layer: null,
    patch: null,
  }))
  const withoutAnchor: HttpFilterPatch[] = []
  const onBuiltIn: HttpFilterPatch[] = []
  const merges = patches.filter((patch) => patch.operation === 'MERGE')
  for (const patch of patches) {
    if (patch.operation === 'MERGE') continue
    const at = placeOf(patch, chain)
    if (at === -1) withoutAnchor.push(patch)
    else if (changesBuiltIn(patch, chain, at)) onBuiltIn.push(patch)
    else chain = applyPatch(chain, patch, at)
  }
  for (const patch of merges) {
    const touched = chain.filter(({ name }) => patch.anchor === null || name === patch.anchor)
    if (touched.length === 0) withoutAnchor.push(patch)
    else if (touched.every((filter) => filter.patch === null)) onBuiltIn.push(patch)
    else chain = chain.map((filter) => (touched.includes(filter) ? merged(filter, patch) : filter))
  }
  const router = chain.findIndex(({ name, patch }) => name === ROUTER && patch === null)
  return {
    running: chain.slice(0, router).filter(({ patch, field }) => patch !== null || field !== null),
    behindRouter: chain.slice(router + 1),
    withoutAnchor,
    onBuiltIn,
  }
}

/** Index of the anchor, -1 when it is missing, null when the operation needs none. */
function placeOf(patch: HttpFilterPatch, chain: readonly ChainFilter[]): number | null {
  const { operation, anchor } = patch
  if (anchor === null || operation === 'ADD' || operation === 'INSERT_FIRST') return null
  return chain.findIndex(({ name }) => name === anchor)
}

function changesBuiltIn(
  patch: HttpFilterPatch,
  chain: readonly ChainFilter[],
  at: number | null,
): boolean {
  if (at === null || (patch.operation !== 'REMOVE' && patch.operation !== 'REPLACE')) return false
  return chain[at]?.patch === null
}

/** `at` is the anchor's place, or null without subFilter. */
function applyPatch(
  chain: ChainFilter[],
  patch: HttpFilterPatch,
  at: number | null,
): ChainFilter[] {
  const { filterName: name, factory, layer } = patch
  const filter: ChainFilter = { name, field: null, factory, layer, patch }
  switch (patch.operation) {
    case 'ADD':
      return [...chain, filter]
    case 'INSERT_FIRST':
      return [filter, ...chain]
    case 'INSERT_BEFORE':
      return chain.toSpliced(at ?? 0, 0, filter)
    case 'INSERT_AFTER':
      return chain.toSpliced(at === null ? chain.length : at + 1, 0, filter)
    case 'REPLACE':
      return chain.map((old) => (old.name === patch.anchor && old.patch !== null ? filter : old))
    case 'REMOVE':
      return chain.filter((old) => old.name !== patch.anchor || old.patch === null)
    case 'MERGE':
      return chain
  }
}

function merged(filter: ChainFilter, patch: HttpFilterPatch): ChainFilter {
  if (filter.patch === null || filter.layer === null || patch.layer === null) return filter
  return {
    name: patch.filterName === '' ? filter.name : patch.filterName,
    field: null,
    factory: filter.factory,
    layer: {
      value: mergeObjects(filter.layer.value, patch.layer.value),
      origin: filter.layer.origin,
    },
    patch: filter.patch,
  }
}
