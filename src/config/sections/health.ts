import { z } from "zod";
import { port } from "./common.ts";

/** `health_settings`: the HTTP endpoints. */
export const healthSettings = z.strictObject({
  host: z.string().min(1).default("127.0.0.1").describe("address to listen on; 0.0.0.0 is all of IPv4"),
  port: port.optional().describe("of the HTTP endpoints for health and metrics; without it, there are none"),
});
