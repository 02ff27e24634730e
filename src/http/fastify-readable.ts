import type { EventEmitter } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { LazyEmitter } from './lazy-emitter.ts'

type Listener = Parameters<EventEmitter['on']>[1]

/** Events of the body. 'close' and 'aborted' are the request's own: they tell of the exchange. */
const BODY_EVENTS: ReadonlySet<string | symbol> = new Set([
  'data',
  'end',
  'readable',
  'pause',
  'resume',
  'error',
])

/**
 * The readable side of a request facade. A real stream stands behind it from the moment that a
 * plugin uses one of these members; requests whose body no plugin touches never have one.
 */
export abstract class FastifyReadable extends LazyEmitter {
  /** The body as a stream, made by the first call. */
  protected abstract openBody(): Readable
  /** The stream if there is one. */
  protected abstract get openedBody(): Readable | null

  get readable(): boolean {
    return this.openedBody?.readable ?? true
  }

  get readableEnded(): boolean {
    return this.openedBody?.readableEnded ?? false
  }

  get readableFlowing(): boolean | null {
    return this.openedBody?.readableFlowing ?? null
  }

  get readableLength(): number {
    return this.openedBody?.readableLength ?? 0
  }

  read(size?: number): unknown {
    return this.openBody().read(size)
  }

  pipe<T extends Writable>(destination: T, options?: { end?: boolean }): T {
    return this.openBody().pipe(destination, options)
  }

  unpipe(destination?: Writable): this {
    this.openedBody?.unpipe(destination)
    return this
  }

  pause(): this {
    this.openBody().pause()
    return this
  }

  resume(): this {
    this.openBody().resume()
    return this
  }

  isPaused(): boolean {
    return this.openedBody?.isPaused() ?? false
  }

  setEncoding(encoding: BufferEncoding): this {
    this.openBody().setEncoding(encoding)
    return this
  }

  [Symbol.asyncIterator](): AsyncIterator<unknown> {
    return this.openBody()[Symbol.asyncIterator]()
  }

  override on(event: string | symbol, listener: Listener): this {
    if (BODY_EVENTS.has(event)) this.openBody().on(event, listener)
    else super.on(event, listener)
    return this
  }

  override addListener(event: string | symbol, listener: Listener): this {
    return this.on(event, listener)
  }

  override prependListener(event: string | symbol, listener: Listener): this {
    if (BODY_EVENTS.has(event)) this.openBody().prependListener(event, listener)
    else super.prependListener(event, listener)
    return this
  }

  override removeListener(event: string | symbol, listener: Listener): this {
    if (BODY_EVENTS.has(event)) this.openedBody?.removeListener(event, listener)
    else super.removeListener(event, listener)
    return this
  }

  override off(event: string | symbol, listener: Listener): this {
    return this.removeListener(event, listener)
  }
}
