import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { facadeOf } from './fastify-request.ts'

/** Falsy errors are none, as for Fastify. */
type Done = (error: Error | null, value?: unknown) => void

export type SendHook = (
  this: FastifyInstance,
  request: FastifyRequest,
  reply: FastifyReply,
  payload: unknown,
  done: Done,
) => unknown
type Trailer = (reply: FastifyReply, payload: unknown, done: Done) => unknown
type AddTrailer = (this: FastifyReply, name: string, trailer: Trailer) => FastifyReply

/**
 * The last onSend or preParsing hook. Behind it Fastify looks at the payload and the header fields,
 * and throws for those it cannot use: out of the turn of a plugin that called back late, where
 * nobody catches. From here the error goes the way of all others.
 */
export function lastHook(
  request: FastifyRequest,
  reply: FastifyReply,
  payload: unknown,
  done: Done,
): void {
  try {
    done(null, payload)
  } catch (error) {
    // A Response has its status taken over before it turns out to be of no use.
    if (reply.raw.statusCode < 400) reply.raw.statusCode = 500
    goOn(request, done, errorOf(error))
  }
}

/**
 * An onSend hook that goes on once, however it tells: with a second call Fastify would answer again.
 * What it gives as an error becomes one: Fastify would send anything else as an answer.
 */
export function guardedSendHook(hook: SendHook): SendHook {
  // Fastify refuses those when the plugin starts.
  if (hook.constructor.name === 'AsyncFunction' && hook.length === 4) return hook
  return function (this: FastifyInstance, request, reply, payload, done) {
    let isDone = false
    const once = (error: Error | null, value?: unknown): void => {
      if (!isDone) {
        isDone = true
        goOn(request, done, error, value)
      } else if (error !== null) facadeOf(request).tellError(error)
    }
    const fail = (thrown: unknown): void => once(errorOf(thrown))
    try {
      const result = hook.call(this, request, reply, payload, (error, value) =>
        once(error ? errorOf(error) : null, value),
      )
      if (isThenable(result)) result.then((value) => once(null, value), fail)
    } catch (error) {
      fail(error)
    }
  }
}

/** Fastify's own way for an error that follows upon errors may end in another one. */
function goOn(request: FastifyRequest, done: Done, error: Error | null, value?: unknown): void {
  try {
    done(error, value)
  } catch (thrown) {
    facadeOf(request).reply.fail(thrown)
  }
}

/**
 * `reply.trailer` for which a trailer that throws, or gives null, is one that calls back with an
 * error: it is left out. Fastify calls it behind the last byte of a stream, where nobody catches.
 */
export function guardTrailers(instance: FastifyInstance): void {
  instance.decorateReply('trailer', addTrailer as FastifyReply['trailer'])
}

function addTrailer(this: FastifyReply, name: string, trailer: Trailer): FastifyReply {
  const isTrailer = typeof trailer === 'function'
  return ownTrailer(this).call(this, name, isTrailer ? guarded(trailer) : trailer)
}

/** Fastify's, further up the prototypes. */
function ownTrailer(reply: FastifyReply): AddTrailer {
  let owner: unknown = reply
  let found: unknown = addTrailer
  while (found === addTrailer) {
    // Ends at Fastify's own: whatever has our method has that above it.
    owner = Reflect.getPrototypeOf(owner as object)
    found = Reflect.get(owner as object, 'trailer')
  }
  return found as AddTrailer
}

function guarded(trailer: Trailer): Trailer {
  return (reply, payload, done) => {
    try {
      const result = trailer(reply, payload, done)
      if (result !== null) return result
      done(new TypeError('A trailer gave null'))
    } catch (error) {
      done(errorOf(error))
    }
    return undefined
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value
}

function errorOf(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}
