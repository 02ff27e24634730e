import type { Request } from '../http/request.ts'
import type { Route } from './route.ts'

/** A named set of domains with its ordered routes; the first that matches is taken, no second attempt. */
export class VirtualHost {
  /** `<host>:<Gateway server port>`, as EnvoyFilter and the route dump know it. */
  readonly name: string
  readonly routes: readonly Route[]
  /** Every plain-http request is answered 301 to https before routing. */
  readonly httpsRedirect: boolean

  constructor(name: string, routes: readonly Route[], httpsRedirect: boolean) {
    this.name = name
    this.routes = routes
    this.httpsRedirect = httpsRedirect
  }

  /** First matching route, or null (404 NR). */
  route(request: Request): Route | null {
    const routes = this.routes
    for (let i = 0; i < routes.length; i++) {
      const route = routes[i]!
      if (route.match === null || route.match.matches(request)) return route
    }
    return null
  }
}
