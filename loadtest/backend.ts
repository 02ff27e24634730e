import { createServer, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'

/**
 * The backend of every comparison: counts heads of bodyless requests and answers each with a fixed
 * response in one write. Prints its port: `node backend.ts BODY_BYTES`.
 */
const BODY_BYTES = Number(process.argv[2] ?? 12)
const LINE = 'hello world\n'
const BODY = LINE.repeat(Math.ceil(BODY_BYTES / LINE.length)).slice(0, BODY_BYTES)
const ANSWER = `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${BODY_BYTES}\r\n\r\n${BODY}`
const HEAD_END = '\r\n\r\n'

const server = createServer({ noDelay: true }, (socket: Socket) => {
  let rest = ''
  socket.setEncoding('latin1')
  socket.on('error', () => socket.destroy())
  socket.on('data', (text: string) => {
    rest += text
    let answers = ''
    for (let end = rest.indexOf(HEAD_END); end >= 0; end = rest.indexOf(HEAD_END)) {
      answers += ANSWER
      rest = rest.slice(end + HEAD_END.length)
    }
    if (answers !== '') socket.write(answers, 'latin1')
  })
})
server.listen(0, '127.0.0.1', () => {
  console.log(String((server.address() as AddressInfo).port))
})
