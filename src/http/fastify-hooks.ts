import type { FastifyInstance } from 'fastify'

/** Calls `onHook` for each hook that is added to the instance itself, not to a part of it. */
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
      if (this === instance) onHook(name)
      return addHook.call(this, name, hook)
    },
  })
}
