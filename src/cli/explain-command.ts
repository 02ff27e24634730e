import { Command, Option } from 'commander'
import { CallProblem, type ExplainCall, parsePort } from '../explain/call.ts'
import { headersOf } from '../explain/call-query.ts'
import {
  decisionFlags,
  decisionOptionsOf,
  placeFlags,
  type RawDecisionFlags,
  type RawPlaceFlags,
} from './decision-flags.ts'
import { usageError } from './exit.ts'
import { explain, type ExplainOptions } from './explain.ts'
import { outputOption, parseOutput, repeatable } from './flag-options.ts'
import { parseAddress } from './flag-values.ts'

/** Flags of a verb that asks about one request, of files or of a running gateway. */
export interface ExplainFlags extends RawPlaceFlags, RawDecisionFlags {
  config: string[]
  admin?: string
  header: string[]
  sni?: string
  port?: string
  egress?: boolean
  from?: string
  output: string
}

const NOTES = `
Exit status: 0 when the request is forwarded or answered as configuration asks (redirect, direct
response), 1 when it is refused (404, 421, 503, handshake refused ...), 2 usage, 3 no gateway answers.
With -c endpoints are those of the configuration; with --admin their health is the gateway's.

  tidegate explain -c ./istio GET https://shop.example.com/cart -H 'end-user: jason'
  tidegate explain --admin 127.0.0.1:15000 GET http://shop.example.com/ --port 80
  tidegate explain -c ./istio --egress GET http://httpbin.org/get
`

/** The verb `explain` with its flags. */
export function explainCommand(): Command {
  const command = new Command('explain')
    .description('say why a request goes where it goes; exit 1 when it would be refused')
    .argument('<method>', 'GET, POST, ...; CONNECT with --egress')
    .argument('<url>', 'http:// or https:// with host and path, as the client would call it')
    .addHelpText('after', NOTES)
  addQuestionFlags(command, 'through the egress proxy; https becomes a CONNECT tunnel')
  return command.action(async (method: string, url: string, flags: ExplainFlags) => {
    process.exitCode = await explain(callOf(method, url, flags), questionOptionsOf(flags))
  })
}

/** `egress`: what --egress says of itself. */
export function addQuestionFlags(command: Command, egress: string): void {
  const options = [
    repeatable('-c, --config <path>', 'file or folder with Istio and Kubernetes YAML'),
    new Option('--admin <[host:]port>', 'ask a running gateway instead'),
    repeatable('-H, --header <name: value>', 'header of the request'),
    new Option('--sni <name>', "TLS server name; else the URL's host where it is https"),
    new Option('--port <number>', "Gateway server port; else the URL's, 80 or 443"),
    new Option('--egress', egress),
    new Option('--from <client>', 'address of the client, or NAMESPACE/POD'),
    ...placeFlags(),
    ...decisionFlags(),
    outputOption(),
  ]
  for (const option of options) command.addOption(option)
}

export function questionOptionsOf(flags: ExplainFlags): ExplainOptions {
  return {
    output: parseOutput(flags.output),
    config: flags.config,
    admin: flags.admin === undefined ? null : parseAddress('--admin', flags.admin),
    ...decisionOptionsOf(flags),
  }
}

/** Flags that describe a request. */
export type CallFlags = Pick<ExplainFlags, 'header' | 'sni' | 'port' | 'egress' | 'from'>

export function callOf(method: string, url: string, flags: CallFlags): ExplainCall {
  const headers = headersOf(flags.header)
  if (headers instanceof CallProblem) throw usageError(headers.message, '--header', headers.hint)
  const port = flags.port === undefined ? null : parsePort(flags.port)
  if (port instanceof CallProblem) throw usageError(port.message, '--port', port.hint)
  return {
    method,
    url,
    headers,
    sni: flags.sni ?? null,
    port,
    egress: flags.egress ?? false,
    from: flags.from ?? null,
  }
}
