import { closest } from '../../src/base/closest.ts'
import type {
  ConfigMapView,
  FilterCompileContext,
  SettingOrigin,
} from '../../src/filters/filter.ts'
import { type DescriptorConfig, parseDescriptorConfig } from './descriptor-config.ts'
import type { DescriptorNode } from './descriptor-tree.ts'

/** A top-level `domain:` is what tells a descriptor file from other ConfigMaps. */
const DOMAIN_LINE = /^\s*(?:\{\s*)?["']?domain["']?\s*:[ \t]*(.*)$/m

/** Kubernetes' own bound for a ConfigMap. */
const MAX_FILE_CHARACTERS = 1 << 20

interface DescriptorFile {
  /** As far as it can be told: a broken file is still known by its first `domain:` line. */
  readonly domain: string
  /** `namespace/name/key`: the same file across generations. */
  readonly identity: string
  readonly config: DescriptorConfig | null
  readonly error: string | null
  readonly origin: SettingOrigin
}

/**
 * Descriptor files of a configuration by domain. A file that breaks keeps its last good version
 * while this object lives, so that a typing error does not lift the limits.
 */
export class DomainCatalog {
  readonly #lastGood = new Map<string, DescriptorConfig>()
  readonly #origins = new WeakMap<DescriptorNode, SettingOrigin>()
  readonly #byConfigMaps = new WeakMap<readonly ConfigMapView[], readonly DescriptorFile[]>()

  /** The descriptors of a domain, or null (reported) when nothing usable defines it. */
  find(
    domain: string,
    origin: SettingOrigin,
    context: FilterCompileContext,
  ): DescriptorNode | null {
    const files = this.#filesOf(context.configMaps)
    if (!files.some((file) => file.domain === domain)) {
      reportUnknown(domain, files, origin, context)
      return null
    }
    return this.#served(domain, files, context)
  }

  /** Whether a file is there for the domain, sound or not. */
  defines(domain: string, { configMaps }: FilterCompileContext): boolean {
    return this.#filesOf(configMaps).some((file) => file.domain === domain)
  }

  /** The descriptors of all domains; what is wrong with their files is reported. */
  all(context: FilterCompileContext): ReadonlyMap<string, DescriptorNode> {
    const files = this.#filesOf(context.configMaps)
    const roots = new Map<string, DescriptorNode>()
    for (const domain of new Set(files.map((file) => file.domain))) {
      const root = this.#served(domain, files, context)
      if (root !== null) roots.set(domain, root)
    }
    return roots
  }

  #served(
    domain: string,
    files: readonly DescriptorFile[],
    context: FilterCompileContext,
  ): DescriptorNode | null {
    const [file, ...duplicates] = files.filter((candidate) => candidate.domain === domain)
    if (file === undefined) return null
    for (const duplicate of duplicates) {
      report(context, duplicate.origin, `duplicate domain '${domain}' in config file`, FIRST_COUNTS)
    }
    if (file.error === null) return file.config?.root ?? null
    const lastGood = this.#lastGood.get(file.identity)
    const kept = lastGood?.domain === domain ? lastGood : null
    report(context, file.origin, file.error, kept === null ? NOT_LIMITED : LAST_GOOD)
    return kept?.root ?? null
  }

  /** Where the file of descriptors stands that `find` gave. */
  originOf(root: DescriptorNode): SettingOrigin | null {
    return this.#origins.get(root) ?? null
  }

  #filesOf(configMaps: readonly ConfigMapView[]): readonly DescriptorFile[] {
    let files = this.#byConfigMaps.get(configMaps)
    if (files === undefined) {
      files = configMaps.flatMap(readFiles)
      this.#byConfigMaps.set(configMaps, files)
      this.#remember(files)
    }
    return files
  }

  #remember(files: readonly DescriptorFile[]): void {
    const present = new Set(files.map(({ identity }) => identity))
    for (const identity of this.#lastGood.keys()) {
      if (!present.has(identity)) this.#lastGood.delete(identity)
    }
    for (const { identity, config, origin } of files) {
      if (config === null) continue
      this.#lastGood.set(identity, config)
      this.#origins.set(config.root, origin)
    }
  }
}

const FIRST_COUNTS = 'Only the first file of a domain counts: put its descriptors into one file.'
const LAST_GOOD = 'The last good version of the file stays in force.'
const NOT_LIMITED = 'Requests of this domain are not limited until the file is corrected.'

function readFiles(configMap: ConfigMapView): DescriptorFile[] {
  const files: DescriptorFile[] = []
  for (const [key, text] of Object.entries(configMap.data)) {
    const line = text.length > MAX_FILE_CHARACTERS ? null : DOMAIN_LINE.exec(text)
    if (line === null) continue
    const origin: SettingOrigin = {
      kind: 'ConfigMap',
      namespace: configMap.namespace,
      name: configMap.name,
      path: ['data', key],
      file: configMap.file,
      line: configMap.line,
    }
    const identity = `${configMap.namespace}/${configMap.name}/${key}`
    const parsed = parseDescriptorConfig(text)
    if ('error' in parsed) {
      const domain = firstWord(line[1] ?? '')
      const error = `${key}: ${parsed.error} (line ${parsed.line} of ${key})`
      files.push({ domain, identity, config: null, error, origin })
    } else {
      files.push({ domain: parsed.domain, identity, config: parsed, error: null, origin })
    }
  }
  return files
}

function firstWord(text: string): string {
  const quoted = /^(["'])(.*?)\1/.exec(text)
  return quoted?.[2] ?? text.replace(/[\s,#}].*$/, '')
}

function reportUnknown(
  domain: string,
  files: readonly DescriptorFile[],
  origin: SettingOrigin,
  context: FilterCompileContext,
): void {
  for (const file of files) {
    if (file.domain === '' && file.error !== null)
      report(context, file.origin, file.error, NOT_LIMITED)
  }
  const known = [...new Set(files.map((file) => file.domain))]
  const near = closest(domain, known)
  context.report({
    code: 'rate-limit-domain-unknown',
    severity: 'warning',
    origin,
    message: `no ConfigMap defines the rate limit domain "${domain}": nothing is limited`,
    hint:
      near === null
        ? `Add a ConfigMap whose data has a descriptor file with "domain: ${domain}".`
        : `Did you mean "${near}"?`,
  })
}

function report(
  context: FilterCompileContext,
  origin: SettingOrigin,
  message: string,
  hint: string,
): void {
  context.report({ code: 'rate-limit-config-invalid', severity: 'error', origin, message, hint })
}
