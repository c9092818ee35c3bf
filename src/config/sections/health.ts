import { z } from "zod";
import { port } from "./common.ts";

/** `health_settings`: the HTTP endpoints. */
export const healthSettings = z.strictObject({
  host: z
    .string()
    .min(1)
    .default("127.0.0.1")
    .describe("address to listen on; `0.0.0.0` for all IPv4 addresses, `::` for IPv6 too"),
  port: port
    .optional()
    .describe(
      "port of `/livez`, `/readyz` and `/metrics`, different for each worker on a host; by default there are " +
        "no endpoints",
    ),
});
