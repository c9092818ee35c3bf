import { z } from "zod";

/** A path; relative paths start at the folder of the configuration file. */
export const filePath = z.string().min(1).meta({ title: "path" });

/** A TCP port. */
export const port = z.int().min(1).max(65_535);
