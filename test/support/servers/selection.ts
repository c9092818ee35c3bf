/** The broker and the database of a run, as chosen with the variable SERVERS. */
export interface Selection {
  readonly rabbitmq: Choice;
  readonly database: Choice & { readonly product: Product };
}

/** Where a server comes from: Debian's stable packages, a Debian sid in a folder, or a container. */
interface Choice {
  /** Undefined if only a container has this version. */
  readonly from: "stable" | "sid" | undefined;
  /** The image with the same version. */
  readonly image: string;
}

export type Product = "MariaDB" | "MySQL";

const OLDEST: Selection = {
  rabbitmq: { from: "stable", image: "rabbitmq:3.10-management" },
  database: { from: "stable", image: "mariadb:10.11", product: "MariaDB" },
};

const NEWEST: Selection = {
  rabbitmq: { from: "sid", image: "rabbitmq:4.3-management" },
  database: { from: "sid", image: "mysql:9.7", product: "MySQL" },
};

const FORMS = `SERVERS must be "oldest", "newest", or images such as "rabbitmq:4.1 mysql:8.4"`;

/** Parses SERVERS. An image that is not named is the oldest. Throws a one-line error that lists the valid forms. */
export function parseSelection(text = process.env["SERVERS"] ?? ""): Selection {
  const words = text.split(/\s+/).filter((word) => word !== "");
  if (words.length === 0) return OLDEST;
  if (words.length === 1 && words[0] === "oldest") return OLDEST;
  if (words.length === 1 && words[0] === "newest") return NEWEST;
  let { rabbitmq, database } = OLDEST;
  for (const image of words) {
    const [, name, tag = ""] = /^(?:.+\/)?(rabbitmq|mysql|mariadb):([\w.-]+)$/.exec(image) ?? [];
    if (name === undefined) throw new Error(`${FORMS}; "${image}" is neither`);
    if (name !== "rabbitmq")
      database = { from: undefined, image, product: name === "mysql" ? "MySQL" : "MariaDB" };
    // The tests use the management API, which the plain image does not have.
    else rabbitmq = { from: undefined, image: tag.endsWith("-management") ? image : `${image}-management` };
  }
  return { rabbitmq, database };
}
