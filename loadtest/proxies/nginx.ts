import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, installed, type ProxyKind, startPinned } from './proxy.ts'

export const nginx: ProxyKind = {
  name: 'nginx',
  missing: () =>
    installed('nginx') ? null : 'not installed (Debian: apt-get install nginx-light)',
  async start({ backendPort, folder, core, scenario, tls }) {
    const port = await freePort()
    const file = join(folder, 'nginx.conf')
    writeFileSync(
      file,
      `worker_processes 1;
daemon off;
error_log stderr crit;
pid ${join(folder, 'nginx.pid')};
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  keepalive_requests 1000000;
  proxy_buffers 8 16k;
  upstream backend { server 127.0.0.1:${backendPort}; keepalive 256; keepalive_requests 1000000; }
  server {
    listen 127.0.0.1:${port}${scenario.tls ? ' ssl' : ''}${scenario.http2 ? ' http2' : ''} backlog=1024;
    ${scenario.tls ? `ssl_certificate ${tls.certificate}; ssl_certificate_key ${tls.key};` : ''}
    server_name bench.test;
    location / {
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Request-Id $request_id;
    }
  }
}
`,
    )
    return startPinned(core, 'nginx', ['-c', file, '-p', folder], port)
  },
}
