import type { AppDependencies, Principal } from "./dependencies.ts";
import type { Step } from "./edge.ts";
import { problem } from "./problem.ts";

/**
 * What a caller must hold: `commands:orders`, `pii:read`, `admin`; `commands:*` is held by nobody
 * but those with that or `*`. "public" asks for nothing.
 */
export type Scope = "public" | "admin" | `${string}:${string}`;

/** RFC 6750, section 2.1. An API key has 100 characters, a generous JWT 4,000. */
const bearerForm = /^Bearer +([A-Za-z0-9._~+/-]{1,8192}=*)$/i;

/** Whether one of the principal's scopes is the wanted one, its family's `*`, or `*`. */
export function holds({ scopes }: Principal, wanted: Scope): boolean {
  const family = `${wanted.split(":", 1)[0]}:*`;
  return wanted === "public" || [wanted, family, "*"].some((scope) => scopes.includes(scope));
}

/** Lets through who holds the scope; 401 for nobody, 403 for somebody else. */
export const authorise =
  (scope: Scope, authenticate: AppDependencies["authenticate"]): Step =>
  async (context, next) => {
    if (scope === "public") return next();
    const header = context.req.header("Authorization");
    const token = bearerForm.exec(header ?? "")?.[1];
    const principal = token === undefined ? undefined : await authenticate(token);
    if (token === undefined || principal === undefined) {
      const challenge = 'Bearer realm="varve"';
      const refused = header === undefined ? challenge : `${challenge}, error="invalid_token"`;
      return problem(context, "unauthenticated", { headers: { "WWW-Authenticate": refused } });
    }
    context.set("principal", principal);
    context.set("mayStill", async () => {
      const known = await authenticate(token);
      return known !== undefined && holds(known, scope);
    });
    if (holds(principal, scope)) return next();
    return problem(context, "forbidden", {
      detail: `This needs the scope ${scope}.`,
      fields: { requiredScope: scope },
      headers: {
        "WWW-Authenticate": `Bearer realm="varve", error="insufficient_scope", scope="${scope}"`,
      },
    });
  };
