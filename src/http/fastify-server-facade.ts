import { EventEmitter } from 'node:events'

/**
 * What Fastify takes for its server. It never listens: connections belong to the listener, whose
 * exchanges come in through FastifyBridge.dispatch.
 */
export class FastifyServerFacade extends EventEmitter {
  readonly listening = false

  address(): null {
    return null
  }

  listen(): this {
    throw new Error('a gateway instance does not listen; its listener does')
  }

  close(callback?: (error?: Error) => void): this {
    if (callback) process.nextTick(callback)
    return this
  }

  closeIdleConnections(): void {}

  closeAllConnections(): void {}

  setTimeout(): this {
    return this
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }
}
