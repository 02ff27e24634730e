import {
  Document,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type Scalar,
  visit,
  type YAMLMap,
} from 'yaml'
import { DescriptorNode } from './descriptor-tree.ts'
import { fixedQuota, isUnit, type Limit, UNIT_SECONDS } from './limit.ts'
import { literal } from './literal.ts'

/** A descriptor file of envoyproxy/ratelimit. */
export interface DescriptorConfig {
  readonly domain: string
  readonly root: DescriptorNode
}

/** Why a file is refused, in the words of envoyproxy/ratelimit. */
export interface DescriptorError {
  readonly error: string
  /** 1-based, within the file. */
  readonly line: number
}

/** Deeper nesting is refused: no request carries that many entries. */
const MAX_DEPTH = 32

/** Bounds what a few nested anchors can expand to. */
const MAX_ALIASES = 100

const KNOWN_KEYS = new Set([
  'domain',
  'key',
  'value',
  'descriptors',
  'rate_limit',
  'unit',
  'requests_per_unit',
  'unlimited',
  'shadow_mode',
  'quota_mode',
  'name',
  'replaces',
  'detailed_metric',
  'value_to_metric',
  'share_threshold',
  'metadata',
])

const MAX_REQUESTS = 0xffffffff

class Refused extends Error {
  readonly offset: number

  constructor(message: string, offset: number) {
    super(message)
    this.offset = offset
  }
}

/** Parses one file. A file with one mistake is refused whole, as the rate limit service does. */
export function parseDescriptorConfig(text: string): DescriptorConfig | DescriptorError {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, merge: true })
  const broken = document.errors[0]
  if (broken !== undefined) {
    const reason = broken.message.split('\n')[0] ?? ''
    return {
      error: `error loading config file: ${reason}`,
      line: lines.linePos(broken.pos[0]).line,
    }
  }
  try {
    return readRoot(withoutAliases(document), lines)
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    return { error: error.message, line: Math.max(1, lines.linePos(error.offset).line) }
  }
}

/** Anchors and merge keys written out; such a file loses its line numbers. */
function withoutAliases(document: Document.Parsed): unknown {
  let found = false
  visit(document, {
    Alias: () => {
      found = true
      return visit.BREAK
    },
  })
  if (!found) return document.contents
  try {
    const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES })
    return new Document(value, { aliasDuplicateObjects: false }).contents
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Refused(`error loading config file: ${reason}`, 0)
  }
}

/** The file that descriptors are read from. */
interface DescriptorSource {
  /** Characters of a full key that are the domain's. */
  readonly skip: number
  readonly lines: LineCounter
}

function readRoot(contents: unknown, lines: LineCounter): DescriptorConfig {
  if (!isMap(contents)) {
    throw new Refused('error loading config file: not a map', offsetOf(contents))
  }
  checkKeys(contents, 0)
  const domain = textOf(contents, 'domain')
  if (domain === '') throw new Refused('config file cannot have empty domain', offsetOf(contents))
  const root = new DescriptorNode('', null)
  readDescriptors(root, contents, `${domain}.`, { skip: domain.length + 1, lines })
  return { domain, root }
}

/** The service's first pass: known keys, lists of maps, leaves that are text, whole numbers or booleans. */
function checkKeys(map: YAMLMap, depth: number): void {
  if (depth > MAX_DEPTH) throw new Refused('error checking config', offsetOf(map))
  for (const { key, value } of map.items) {
    if (!isScalar(key) || typeof key.value !== 'string') {
      const shown = isScalar(key) ? String(key.value) : 'a collection'
      throw new Refused(`config error, key is not of type string: ${shown}`, offsetOf(key))
    }
    if (!KNOWN_KEYS.has(key.value)) {
      throw new Refused(`config error, unknown key '${key.value}'`, offsetOf(key))
    }
    if (key.value !== 'metadata') checkValue(value, depth)
  }
}

function checkValue(value: unknown, depth: number): void {
  if (isSeq(value)) {
    for (const item of value.items) {
      if (!isMap(item)) {
        const shown = isScalar(item) ? String(item.value) : 'a list'
        throw new Refused(
          `config error, yaml file contains list of type other than map: ${shown}`,
          offsetOf(item),
        )
      }
      checkKeys(item, depth + 1)
    }
  } else if (isMap(value)) {
    checkKeys(value, depth + 1)
  } else if (value !== null && !(isScalar(value) && isLeaf(value))) {
    throw new Refused('error checking config', offsetOf(value))
  }
}

function isLeaf(scalar: Scalar): boolean {
  const { value } = scalar
  if (typeof value === 'number')
    return Number.isInteger(value) && !/[.eE]/.test(scalar.source ?? '')
  return typeof value === 'string' || typeof value === 'boolean' || value === null
}

function readDescriptors(
  parent: DescriptorNode,
  map: YAMLMap,
  parentKey: string,
  source: DescriptorSource,
): void {
  const list = map.get('descriptors')
  if (list === undefined || list === null) return
  if (!isSeq(list)) throw unmarshal('descriptors', offsetOf(list))
  for (const item of list.items) if (isMap(item)) readDescriptor(parent, item, parentKey, source)
}

function readDescriptor(
  parent: DescriptorNode,
  map: YAMLMap,
  parentKey: string,
  source: DescriptorSource,
): void {
  const key = textOf(map, 'key')
  if (key === '') throw new Refused('descriptor has empty key', offsetOf(map))
  const value = textOf(map, 'value')
  const fullKey = parentKey + (value === '' ? key : `${key}_${value}`)
  const shareThreshold = booleanOf(map, 'share_threshold')
  if (shareThreshold && !value.includes('*')) {
    throw new Refused(
      `share_threshold can only be used with wildcard values (containing '*'), but found key '${fullKey}' without a wildcard`,
      offsetOf(map),
    )
  }
  const node = new DescriptorNode(literal(key), readLimit(map, fullKey.slice(source.skip), source))
  if (!parent.addChild(literal(value), node, shareThreshold)) {
    throw new Refused(`duplicate descriptor composite key '${fullKey}'`, offsetOf(map))
  }
  readDescriptors(node, map, `${fullKey}.`, source)
}

function readLimit(descriptor: YAMLMap, path: string, source: DescriptorSource): Limit | null {
  const map = descriptor.get('rate_limit')
  if (map === undefined || map === null) return null
  if (!isMap(map)) throw unmarshal('rate_limit', offsetOf(map))
  const unlimited = booleanOf(map, 'unlimited')
  const written = textOf(map, 'unit')
  const unit = written.toUpperCase()
  if (unlimited && isUnit(unit)) {
    throw new Refused('should not specify rate limit unit when unlimited', offsetOf(map))
  }
  if (!unlimited && !isUnit(unit)) {
    throw new Refused(`invalid rate limit unit '${written}'`, offsetOf(map))
  }
  const name = textOf(map, 'name')
  return {
    quota: fixedQuota(countOf(map, 'requests_per_unit'), isUnit(unit) ? UNIT_SECONDS[unit] : 0),
    unlimited,
    path,
    line: lineOf(descriptor, source.lines),
    name,
    replaces: readReplaces(map, name),
    shadowMode: booleanOf(descriptor, 'shadow_mode'),
    quotaMode: booleanOf(descriptor, 'quota_mode'),
  }
}

function readReplaces(map: YAMLMap, ownName: string): readonly string[] {
  const list = map.get('replaces')
  if (list === undefined || list === null) return []
  if (!isSeq(list)) throw unmarshal('replaces', offsetOf(list))
  return list.items.filter(isMap).map((item) => {
    const name = textOf(item, 'name')
    if (name === '') throw new Refused('should not have an empty replaces entry', offsetOf(item))
    if (name === ownName) {
      throw new Refused('replaces should not contain name of same descriptor', offsetOf(item))
    }
    return name
  })
}

/** Text of a leaf as written: `value: 123` is the text 123. */
function textOf(map: YAMLMap, name: string): string {
  const node = map.get(name, true)
  if (node === undefined || node === null) return ''
  if (!isScalar(node)) throw unmarshal(name, offsetOf(node))
  if (node.value === null) return ''
  return typeof node.value === 'string' ? node.value : (node.source ?? String(node.value))
}

function booleanOf(map: YAMLMap, name: string): boolean {
  const value = map.get(name)
  if (value === undefined || value === null) return false
  if (typeof value !== 'boolean') throw unmarshal(name, offsetOf(map))
  return value
}

function countOf(map: YAMLMap, name: string): number {
  const value = map.get(name)
  if (value === undefined || value === null) return 0
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > MAX_REQUESTS) {
    throw unmarshal(name, offsetOf(map))
  }
  return value
}

function unmarshal(field: string, offset: number): Refused {
  return new Refused(`error loading config file: ${field} has the wrong type`, offset)
}

/** null for what stands nowhere: anchors and aliases were written out. */
function lineOf({ range }: YAMLMap, lines: LineCounter): number | null {
  return range ? lines.linePos(range[0]).line : null
}

function offsetOf(node: unknown): number {
  if (typeof node !== 'object' || node === null || !('range' in node)) return 0
  const { range } = node
  return Array.isArray(range) && typeof range[0] === 'number' ? range[0] : 0
}
