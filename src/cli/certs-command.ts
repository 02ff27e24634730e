import { Command, Option } from 'commander'
import { DEFAULT_DOMAIN, DEFAULT_NAMESPACE } from '../process/run-options.ts'
import { fileName, initAuthority, issueLeaf, type SecretName } from './certs-issue.ts'
import { requireSource, showCertificates } from './certs-show.ts'
import { usageError } from './exit.ts'
import { outputOption, parseOutput, repeatable } from './flag-options.ts'
import { parseAddress, parseChoice, parseLabels } from './flag-values.ts'
import { loadOffline } from './offline-configuration.ts'
import { OUTPUT_FORMATS } from './output.ts'

const CA_DIR = 'tidegate-ca'
const CA_DAYS = '3650'
/** Browsers and Apple platforms refuse leaves that live longer than 825 days. */
const LEAF_DAYS = '397'
const MAX_DAYS = 36_500

/** The verb `certs` with its own verbs. */
export function certsCommand(): Command {
  const command = new Command('certs').description(
    'make certificates for development, look at those in files, Secrets and gateways',
  )
  for (const verb of [initCommand(), issueCommand(), showCommand()]) {
    command.addCommand(verb.exitOverride().configureOutput({ outputError: () => undefined }))
  }
  return command
}

interface InitFlags {
  dir: string
  name: string
  days: string
  force?: boolean
  output: string
}

function initCommand(): Command {
  return new Command('init')
    .description('make a certificate authority for development')
    .option('--dir <folder>', 'where ca.crt and ca.key go', CA_DIR)
    .option('--name <text>', 'its common name', 'Tidegate development CA')
    .option('--days <number>', 'how long it is valid', CA_DAYS)
    .option('--force', 'overwrite the one that is there')
    .addOption(outputOption())
    .action((flags: InitFlags) => {
      initAuthority({
        dir: flags.dir,
        name: flags.name,
        days: parseDays('--days', flags.days, 1),
        force: flags.force ?? false,
        output: parseOutput(flags.output),
      })
    })
}

interface IssueFlags {
  ca: string
  dir: string
  file?: string
  key: string
  days: string
  client?: boolean
  secret?: string
  force?: boolean
  output: string
}

const ISSUE_NOTES = `
  tidegate certs issue shop.test '*.shop.test' 127.0.0.1
  tidegate certs issue shop.test --secret istio-system/shop-cert | kubectl apply -f -
  tidegate certs issue --client spiffe://cluster.local/ns/shop/sa/web --file web
`

function issueCommand(): Command {
  return new Command('issue')
    .description('make a certificate that the authority of certs init signs')
    .argument('<name...>', 'DNS names (*.example.com too), addresses, URIs')
    .addHelpText('after', ISSUE_NOTES)
    .option('--ca <folder>', 'the authority, from certs init', CA_DIR)
    .option('--dir <folder>', 'where the files go', '.')
    .option('--file <name>', 'name of the files, without .crt and .key; else the first name')
    .option('--key <type>', 'rsa or ecdsa', 'rsa')
    .option('--days <number>', 'how long it is valid', LEAF_DAYS)
    .option('--client', 'for clients instead of servers')
    .option('--secret <[ns/]name>', 'print a Kubernetes Secret of this name instead of files')
    .option('--force', 'overwrite files that are there')
    .addOption(
      new Option('-o, --output <format>', [...OUTPUT_FORMATS, 'secret'].join(', ')).default(
        'table',
      ),
    )
    .action((names: string[], flags: IssueFlags) => {
      const output = parseChoice('--output', flags.output, [...OUTPUT_FORMATS, 'secret'])
      const wanted = output === 'secret' ? (flags.secret ?? secretNameFor(names)) : flags.secret
      issueLeaf({
        names,
        ca: flags.ca,
        dir: flags.dir,
        file: flags.file ?? null,
        keyType: parseChoice('--key', flags.key, ['rsa', 'ecdsa']),
        days: parseDays('--days', flags.days, 1),
        client: flags.client ?? false,
        force: flags.force ?? false,
        secret: wanted === undefined ? null : parseSecret(wanted),
        output: output === 'secret' ? 'yaml' : output,
      })
    })
}

/** `*.shop.test` to `wildcard-shop-test`: a name Kubernetes takes. */
function secretNameFor(names: readonly string[]): string {
  const name = fileName(names[0]!).toLowerCase().replaceAll(/[._]/g, '-')
  return `${name.replace(/^-+|-+$/g, '')}-cert`
}

function parseSecret(text: string): SecretName {
  const match = /^(?:([a-z0-9][a-z0-9-]*)\/)?([a-z0-9][a-z0-9.-]*)$/.exec(text)
  if (match === null) {
    throw usageError(
      `${JSON.stringify(text)} is no name of a Secret`,
      '--secret',
      'write NAMESPACE/NAME in lower case',
    )
  }
  return { namespace: match[1] ?? DEFAULT_NAMESPACE, name: match[2]! }
}

interface ShowFlags {
  config: string[]
  admin?: string
  key?: string
  sni?: string
  labels: string[]
  namespace: string
  expiringWithin: string
  output: string
}

const SHOW_NOTES = `
  tidegate certs show shop.test.crt --key shop.test.key
  tidegate certs show -c ./istio
  tidegate certs show shop.example.com:443
  tidegate certs show 127.0.0.1:8443 --sni shop.example.com
  tidegate certs show --admin 127.0.0.1:15000 --expiring-within 14

Exit status: 0 when all is well, 1 when a certificate has a problem or there is none, 3 no answer.
`

function showCommand(): Command {
  const command = new Command('show')
    .description('chain, names and expiry of certificates; exit 1 when one has a problem')
    .argument('[target...]', 'PEM files, or HOST:PORT of servers')
    .addHelpText('after', SHOW_NOTES)
  const options = [
    repeatable('-c, --config <path>', 'Secrets in these files and folders'),
    new Option('--admin <[host:]port>', 'what a running gateway serves with'),
    new Option('--key <file>', 'private key that has to belong to the one PEM file'),
    new Option('--sni <name>', "TLS server name; else the address's host"),
    repeatable(
      '--labels <k=v,...>',
      'with -c: own labels that Gateway selectors are matched against',
    ),
    new Option('--namespace <ns>', 'with -c: namespace whose Secrets Gateways use').default(
      DEFAULT_NAMESPACE,
    ),
    new Option('--expiring-within <days>', 'fewer days left are a problem').default('0'),
    outputOption(),
  ]
  for (const option of options) command.addOption(option)
  return command.action(async (targets: string[], flags: ShowFlags) => {
    requireSource([targets.length > 0, flags.config.length > 0, flags.admin !== undefined])
    if (flags.key !== undefined && targets.length !== 1) {
      throw usageError('a key belongs to one file', '--key', 'give one PEM file')
    }
    const loaded = flags.config.length === 0 ? null : await loadFiles(flags)
    process.exitCode = await showCertificates(
      {
        targets,
        key: flags.key ?? null,
        sni: flags.sni ?? null,
        loaded,
        admin: flags.admin === undefined ? null : parseAddress('--admin', flags.admin),
      },
      {
        minDays: parseDays('--expiring-within', flags.expiringWithin, 0),
        output: parseOutput(flags.output),
      },
    )
  })
}

function loadFiles(flags: ShowFlags): ReturnType<typeof loadOffline> {
  return loadOffline(flags.config, '-c PATH', {
    labels: flags.labels.map(parseLabels),
    namespace: flags.namespace,
    domain: DEFAULT_DOMAIN,
    meshConfig: null,
    compat: false,
  })
}

function parseDays(flag: string, text: string, least: number): number {
  const days = /^\d{1,5}$/.test(text) ? Number(text) : -1
  if (days >= least && days <= MAX_DAYS) return days
  throw usageError(
    `${JSON.stringify(text)} is no number of days`,
    flag,
    `write a number from ${least} to ${MAX_DAYS}`,
  )
}
