/** The address of a database server, and an account with all rights. */
export interface DatabaseAddress {
  readonly host: string;
  readonly port: number;
  /** Has all privileges, including the creation of databases. */
  readonly user: string;
  readonly password: string;
}
