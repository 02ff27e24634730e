import type { Command } from 'commander'

/** In the order of the help. Loaded when asked for: a probe that runs `healthcheck` needs no gateway. */
export const VERBS: Readonly<Record<string, () => Promise<Command>>> = {
  run: async () => (await import('./run-command.ts')).runVerb(),
  validate: async () => (await import('./validate-command.ts')).validateCommand(),
  test: async () => (await import('./route-test-command.ts')).routeTestCommand(),
  explain: async () => (await import('./explain-command.ts')).explainCommand(),
  egress: async () => (await import('./egress-command.ts')).egressCommand(),
  limit: async () => (await import('./limit-command.ts')).limitCommand(),
  dns: async () => (await import('./dns-command.ts')).dnsCommand(),
  'proxy-config': async () => (await import('./proxy-config-command.ts')).proxyConfigCommand(),
  get: async () => (await import('./get-command.ts')).getCommand(),
  status: async () => (await import('./admin-commands.ts')).statusCommand(),
  reload: async () => (await import('./admin-commands.ts')).reloadCommand(),
  drain: async () => (await import('./admin-commands.ts')).drainCommand(),
  certs: async () => (await import('./certs-command.ts')).certsCommand(),
  version: async () => (await import('./version-command.ts')).versionCommand(),
  healthcheck: async () => (await import('./healthcheck-command.ts')).healthcheckCommand(),
}

/** The verb that the line begins with, else all: for the help, aliases and suggestions. */
export function verbsFor([name = '']: readonly string[]): readonly (() => Promise<Command>)[] {
  return Object.hasOwn(VERBS, name) ? [VERBS[name]!] : Object.values(VERBS)
}
