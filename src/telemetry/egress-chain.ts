import { hash } from 'node:crypto'
import type { EgressLine } from './egress-line.ts'

/** `prev` of the first line of all. */
export const NO_LINE = '0'.repeat(64)

/** Who writes: the first line of every file, and of every process that goes on with one. */
export interface ProcessIdentity {
  readonly version: string
  /** Name of the host or Pod. */
  readonly machine: string
  readonly pid: number
  /** ISO 8601. */
  readonly startedAt: string
}

/** What a ledger line says beside its place in the chain. */
export type LedgerEntry =
  | ({ readonly type: 'decision' } & EgressLine)
  | ({
      /** `genesis` begins a file, `restart` goes on in one. */
      readonly type: 'genesis' | 'restart'
      readonly time: string
      /** The line before was cut off by a crash: its hash is that of what is left of it. */
      readonly torn: boolean
    } & ProcessIdentity)
  | {
      /** Decisions that could not be written: the disk was full or too slow. */
      readonly type: 'gap'
      readonly time: string
      readonly lost: number
    }

/** The end of a chain: what the next line must name. */
export interface ChainHead {
  /** SHA-256 (hex) of the last line without its line feed. */
  readonly hash: string
  /** Of the last line; 0 before the first. */
  readonly seq: number
}

export const START: ChainHead = { hash: NO_LINE, seq: 0 }

/** Lines that each carry the hash of the one before: none can be changed or taken out unnoticed. */
export class Chain {
  #head: ChainHead

  constructor(head: ChainHead) {
    this.#head = head
  }

  get head(): ChainHead {
    return this.#head
  }

  /** The next line, line feed included. */
  append(entry: LedgerEntry): string {
    const seq = this.#head.seq + 1
    const line = JSON.stringify({ seq, prev: this.#head.hash, ...entry })
    this.#head = { hash: lineHash(line), seq }
    return `${line}\n`
  }
}

export function lineHash(line: string | Buffer): string {
  return hash('sha256', line)
}

/** A line's place in the chain and what it says, or why it is no ledger line. */
export type ReadLine =
  | { readonly ok: true; readonly seq: number; readonly prev: string; readonly entry: LedgerEntry }
  | { readonly ok: false; readonly reason: string }

export function readLine(text: string): ReadLine {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { ok: false, reason: 'it is not JSON' }
  }
  if (!isRecord(value)) return { ok: false, reason: 'it is not an object' }
  const { seq, prev, type } = value
  if (typeof seq !== 'number' || typeof prev !== 'string') {
    return { ok: false, reason: 'it has no seq or no prev' }
  }
  if (!isEntry(value)) return { ok: false, reason: `its type is ${JSON.stringify(type)}` }
  return { ok: true, seq, prev, entry: value }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const TEXTS = [
  'time',
  'verdict',
  'kind',
  'host',
  'client',
  'clientAddress',
  'clientNamespace',
  'declaredAs',
]

/** Checks the fields that are computed with; the others are only shown. */
function isEntry(value: Record<string, unknown>): value is Record<string, unknown> & LedgerEntry {
  switch (value['type']) {
    case 'decision':
      return TEXTS.every((name) => typeof value[name] === 'string') && isPort(value['port'])
    case 'gap':
      return typeof value['lost'] === 'number'
    case 'genesis':
    case 'restart':
      return true
    default:
      return false
  }
}

function isPort(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 65_535
}
