import { type CaseFile, parseCaseFile } from '../../src/cli/route-cases/case-file.ts'
import { type CaseFileResult, runCases } from '../../src/cli/route-cases/case-run.ts'
import { CoverageCount } from '../../src/cli/route-cases/coverage.ts'
import { problemText } from '../../src/process/problem-log.ts'
import { BuiltInFilters } from '../../src/process/built-in-filters.ts'
import { Configuration, type LoadedConfiguration } from '../../src/process/configuration.ts'

/** YAML as a gateway that serves every Gateway would load it. */
export async function loadedFrom(yaml: string, path = 'shop.yaml'): Promise<LoadedConfiguration> {
  const filters = BuiltInFilters.forCompilation()
  try {
    const configuration = new Configuration({
      compat: false,
      labels: [],
      namespace: 'istio-system',
      domain: 'cluster.local',
      meshConfig: null,
      rateLimitConfig: null,
      ...filters.compilers,
    })
    return configuration.load([{ path, text: yaml, error: null }])
  } finally {
    await filters.close()
  }
}

/** The cases of a file that is right. */
export function casesFrom(yaml: string, path = 'shop.cases.yaml'): CaseFile {
  const file = parseCaseFile(yaml, path)
  if ('cases' in file) return file
  throw new Error(file.map(problemText).join('\n'))
}

export async function runAgainst(
  cases: CaseFile,
  yaml: string,
  count = new CoverageCount(),
): Promise<CaseFileResult> {
  return runCases(cases, await loadedFrom(yaml), count)
}
