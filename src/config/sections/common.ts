import { z } from "zod";

/** A path, which starts at the configuration file where it is relative. */
export const filePath = z.string().min(1).meta({ title: "path" });

/** A TCP port. */
export const port = z.int().min(1).max(65_535);
