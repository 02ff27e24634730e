import type { FastifyInstance } from 'fastify'
import { guardedSendHook, lastHook, type SendHook } from './fastify-guards.ts'

/**
 * Calls `onHook` for each hook that plugins add to the instance itself, not to a part of it. onSend
 * hooks may call back once.
 */
export function watchHooks(instance: FastifyInstance, onHook: (name: string) => void): void {
  // An overload for each hook: whatever was called is passed on, so one signature stands for all.
  const addHook = instance.addHook as unknown as (
    this: FastifyInstance,
    name: string,
    hook: unknown,
  ) => unknown
  Object.defineProperty(instance, 'addHook', {
    configurable: true,
    value: function (this: FastifyInstance, name: string, hook: unknown): unknown {
      if (hook === lastHook) return addHook.call(this, name, hook)
      if (this === instance) onHook(name)
      // What the hook takes and gives is for the plugin to know.
      const isSendHook = name === 'onSend' && typeof hook === 'function'
      return addHook.call(this, name, isSendHook ? guardedSendHook(hook as SendHook) : hook)
    },
  })
}
