import { createServer, type AddressInfo, type Socket } from 'node:net'

/**
 * The backend of hostile-mix.ts: answers `/large` with more than a client takes that does not read,
 * never answers a request with a body, and everything else at once. Prints its port.
 */
const LARGE_BYTES = 1_048_576
const HEAD_END = '\r\n\r\n'
const SMALL = 'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nhello world\n'
const LARGE = `HTTP/1.1 200 OK\r\nContent-Length: ${LARGE_BYTES}\r\n\r\n${'a'.repeat(LARGE_BYTES)}`

const server = createServer({ noDelay: true }, (socket: Socket) => {
  let rest = ''
  let silent = false
  socket.setEncoding('latin1')
  socket.on('error', () => socket.destroy())
  socket.on('data', (text: string) => {
    if (silent) return
    rest += text
    for (let end = rest.indexOf(HEAD_END); end >= 0; end = rest.indexOf(HEAD_END)) {
      const head = rest.slice(0, end)
      rest = rest.slice(end + HEAD_END.length)
      silent = /^content-length: [1-9]/im.test(head)
      if (silent) return
      socket.write(head.startsWith('GET /large') ? LARGE : SMALL, 'latin1')
    }
  })
})
server.listen(0, '127.0.0.1', () => {
  console.log(String((server.address() as AddressInfo).port))
})
