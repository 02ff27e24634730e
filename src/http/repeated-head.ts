import { Headers } from './headers.ts'
import { KeptHead } from './kept-head.ts'
import { leadingView } from './read-buffers.ts'
import type { Request } from './request.ts'

/** Heads that connections may find at one another, in one table. */
export const MAX_SHARED_HEADS = 1_024

/** A head that came again and again, what was read from it, and what was written for it so far. */
export class RepeatedHead {
  readonly bytes: Buffer
  readonly fields: KeptHead
  readonly #sender: string
  /** null: a response. */
  readonly #request: Request | null

  /** `text`: latin1, with the empty line. `request` was not routed yet. */
  constructor(sender: string, text: string, fields: readonly string[], request: Request | null) {
    this.bytes = Buffer.allocUnsafeSlow(text.length)
    this.bytes.write(text, 'latin1')
    this.fields = new KeptHead(fields)
    this.#sender = sender
    this.#request = request === null ? null : request.again(new Headers())
  }

  /** `chunk` begins with this head. */
  begins(chunk: Buffer): boolean {
    const { bytes } = this
    const { length } = bytes
    if (chunk.length < length) return false
    const view = leadingView(chunk, length)
    // Without a view at hand, comparing a part costs less than making one.
    return view === null ? chunk.compare(bytes, 0, length, 0, length) === 0 : view.equals(bytes)
  }

  is(sender: string, text: string): boolean {
    return this.#sender === sender && this.bytes.toString('latin1') === text
  }

  /** What this head asks for, once more. Only of a request. */
  nextRequest(): Request {
    return this.#request!.again(this.nextHeaders())
  }

  nextHeaders(): Headers {
    return Headers.again(this.fields)
  }
}

/**
 * Repeated heads, so that the connections on which the same one comes have it once. With each its own,
 * a few hundred connections read more memory per request than the processor's cache holds.
 *
 * Shared among connections with the same peer address only: for these the edge writes the same; and
 * how long a head takes tells nobody whether somebody at another address sends it, secrets included.
 * The table holds on to nothing: a head goes with the last connection that has it.
 */
export class RepeatedHeads {
  readonly #places = new Map<number, WeakRef<RepeatedHead>>()
  readonly #maxPlaces: number

  constructor(maxPlaces: number = MAX_SHARED_HEADS) {
    this.#maxPlaces = maxPlaces
  }

  /** The one that another connection of `sender` has, or a new one in the place of any other. */
  of(
    sender: string,
    text: string,
    fields: readonly string[],
    request: Request | null,
  ): RepeatedHead {
    const place = hashOf(text, hashOf(sender, FNV_BASIS)) % this.#maxPlaces
    const known = this.#places.get(place)?.deref()
    if (known?.is(sender, text)) return known
    const head = new RepeatedHead(sender, text, fields, request)
    this.#places.set(place, new WeakRef(head))
    return head
  }
}

/** FNV-1a, 32 bits. */
const FNV_BASIS = 0x811c9dc5
const FNV_PRIME = 0x01000193

function hashOf(text: string, basis: number): number {
  let hash = basis
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), FNV_PRIME)
  return hash >>> 0
}
