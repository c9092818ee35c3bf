import { z } from "zod";
import { port } from "./common.ts";

/** `health_settings`: the HTTP endpoints. */
export const healthSettings = z.strictObject({
  host: z
    .string()
    .min(1)
    .default("127.0.0.1")
    .describe("the address to listen on; `0.0.0.0` is all of IPv4, `::` IPv6 as well"),
  port: port
    .optional()
    .describe(
      "the port of `/livez`, `/readyz` and `/metrics`, one for each worker of a host; without it, there is none",
    ),
});
