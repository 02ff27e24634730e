import type { WireCase } from './case.ts'
import { chunks } from './chunks.ts'
import { framing } from './framing.ts'
import { headers } from './headers.ts'
import { heads } from './heads.ts'
import { hosts } from './hosts.ts'
import { targets } from './targets.ts'

/** The whole corpus: HTTP/1.1 connections of clients, honest and not. */
export const corpus: readonly WireCase[] = [
  ...framing,
  ...chunks,
  ...heads,
  ...hosts,
  ...targets,
  ...headers,
]
