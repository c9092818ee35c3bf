import { describe } from "node:test";
import { attackAll } from "./attack-all.ts";

describe("attacks on mysql", () => attackAll("mysql"));
