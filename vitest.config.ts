import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['{src,plugins,certs,test,loadtest,scripts}/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 30_000,
    reporters: ['default', './scripts/summary-reporter.ts'],
  },
})
