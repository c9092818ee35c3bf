/** The table that lists the applied migrations. */
export const MIGRATION_TABLE = "authmq_migration";
