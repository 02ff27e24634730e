import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { waitFor } from './wait.ts'

/** Both ends of a TCP connection: [ours, theirs]. What ends it all is added to `closers`. */
export async function socketPair(closers: (() => void)[]): Promise<[Socket, Socket]> {
  const accepted: Socket[] = []
  const server = createServer({ allowHalfOpen: true }, (socket) => accepted.push(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  await waitFor('the connection', () => accepted.length === 1 && !client.connecting)
  closers.push(() => {
    accepted[0]!.destroy()
    client.destroy()
    server.close()
  })
  return [accepted[0]!, client]
}
