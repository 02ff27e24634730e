import type { FastifyInstance } from 'fastify'

/** Hooks of one request; each gets its `done` as the last argument. */
const REQUEST_HOOKS: ReadonlySet<string> = new Set([
  'onRequest',
  'preParsing',
  'preValidation',
  'preHandler',
  'preSerialization',
  'onSend',
  'onResponse',
  'onError',
  'onTimeout',
  'onRequestAbort',
])

type Hook = (this: unknown, ...args: unknown[]) => unknown

/**
 * A callback hook that throws would end the process: Fastify calls it without a net, often from a
 * promise or a timer of the hook before. From here on such an error goes to the hook's `done`, which
 * makes it a 500 for that request, as a rejected promise does.
 */
export function guardHooks(instance: FastifyInstance): void {
  const addHook = instance.addHook as unknown as (
    this: FastifyInstance,
    name: string,
    hook: unknown,
  ) => unknown
  Object.defineProperty(instance, 'addHook', {
    configurable: true,
    value: function (this: FastifyInstance, name: string, hook: unknown): unknown {
      return addHook.call(this, name, REQUEST_HOOKS.has(name) ? guarded(hook) : hook)
    },
  })
}

function guarded(hook: unknown): unknown {
  // Fastify looks at async functions closely when they are added; they cannot throw anyway.
  if (typeof hook !== 'function' || hook.constructor.name === 'AsyncFunction') return hook
  const run = hook as Hook
  return function (this: unknown, ...args: unknown[]): unknown {
    try {
      return run.apply(this, args)
    } catch (error) {
      const done = args.at(-1)
      if (typeof done === 'function') (done as (error: unknown) => void)(error)
      return undefined
    }
  }
}
