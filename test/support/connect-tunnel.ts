import { RawSocket } from './raw-socket.ts'

export interface ConnectAnswer {
  readonly status: number
  /** What came behind the head so far: body of a refusal, or first bytes of the tunnel. */
  readonly text: string
  readonly client: RawSocket
}

/** Asks a proxy for a tunnel; resolves with its answer. The caller destroys the client. */
export async function connectThrough(port: number, authority: string): Promise<ConnectAnswer> {
  const client = await RawSocket.connect(port)
  client.write(`CONNECT ${authority} HTTP/1.1\r\nhost: ${authority}\r\n\r\n`)
  const head = await client.until('\r\n\r\n')
  return {
    status: Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]),
    get text() {
      return client.text.slice(client.text.indexOf('\r\n\r\n') + 4)
    },
    client,
  }
}
