import type * as Grpc from '@grpc/grpc-js'
import { createRequire } from 'node:module'

const load = createRequire(import.meta.url)

/**
 * The gRPC library, loaded when it is first asked for: a gateway without rate limit services need
 * not spend some 40 ms of its start and the memory on it. It is CommonJS, so that no caller waits.
 */
export function grpcLibrary(): typeof Grpc {
  return load('@grpc/grpc-js') as typeof Grpc
}
