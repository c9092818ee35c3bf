/** Error numbers with the names in the server's own list. */
type ErrorList = Readonly<Record<number, string>>;

/**
 * The errors of MySQL 8.4 and 9 and of MariaDB 10.11 and 11.8, classified by what they mean for a request. The names
 * are from the servers' own lists (`perror NUMBER` prints an entry). Numbers from 1900 on differ between the two
 * products. The SQLSTATE classifies an error that is in no list: see STATEMENT_STATES.
 */
export const SERVER_ERRORS = {
  /** A row with this key exists: an expected result, not a failure. */
  duplicate: {
    1022: "ER_DUP_KEY",
    1062: "ER_DUP_ENTRY",
    1169: "ER_DUP_UNIQUE",
    1586: "ER_DUP_ENTRY_WITH_KEY_NAME",
    1859: "ER_DUP_UNKNOWN_IN_INDEX",
  },

  /** The row that a foreign key references does not exist: an expected result, not a failure. */
  missingReference: {
    1216: "ER_NO_REFERENCED_ROW",
    1452: "ER_NO_REFERENCED_ROW_2",
  },

  /** A table, column or index that a migration creates already exists. */
  existing: {
    1050: "ER_TABLE_EXISTS_ERROR",
    1060: "ER_DUP_FIELDNAME",
    1061: "ER_DUP_KEYNAME",
  },

  /** Another transaction blocked this one. A retry may succeed. */
  conflict: {
    1020: "ER_CHECKREAD", // MariaDB with innodb_snapshot_isolation
    1205: "ER_LOCK_WAIT_TIMEOUT",
    1213: "ER_LOCK_DEADLOCK", // in a Galera cluster also a failed certification
    1412: "ER_TABLE_DEF_CHANGED",
    1615: "ER_NEED_REPREPARE",
    1637: "ER_TOO_MANY_CONCURRENT_TRXS",
    1689: "ER_LOCK_ABORTED",
    3058: "ER_USER_LOCK_DEADLOCK",
    3101: "ER_TRANSACTION_ROLLBACK_DURING_COMMIT",
    3132: "ER_LOCKING_SERVICE_DEADLOCK",
    3133: "ER_LOCKING_SERVICE_TIMEOUT",
    3197: "ER_XA_RETRY",
    3572: "ER_LOCK_NOWAIT",
  },

  /** No connection or thread is left for this client. Its open connections still work. */
  tooManyConnections: {
    1040: "ER_CON_COUNT_ERROR",
    1135: "ER_CANT_CREATE_THREAD",
    1203: "ER_TOO_MANY_USER_CONNECTIONS",
    1226: "ER_USER_LIMIT_REACHED",
  },

  /**
   * The server accepts no writes any more, or shuts down. After a failover, another server answers at the same address.
   */
  failover: {
    1036: "ER_OPEN_AS_READONLY",
    1047: "ER_UNKNOWN_COM_ERROR", // a Galera node that is cut off from its cluster
    1053: "ER_SERVER_SHUTDOWN",
    1077: "ER_NORMAL_SHUTDOWN",
    1078: "ER_GOT_SIGNAL",
    1079: "ER_SHUTDOWN_COMPLETE",
    1080: "ER_FORCING_CLOSE",
    1243: "ER_UNKNOWN_STMT_HANDLER", // another server prepared the statement
    1290: "ER_OPTION_PREVENTS_STATEMENT", // read_only, super_read_only
    1792: "ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION",
    1836: "ER_READ_ONLY_MODE",
    1874: "ER_INNODB_READ_ONLY",
    1881: "ER_INNODB_FORCED_RECOVERY",
    3032: "ER_SERVER_OFFLINE_MODE",
    3100: "ER_RUN_HOOK_ERROR", // group replication refuses the commit
    3168: "ER_SERVER_ISNT_AVAILABLE",
    3781: "ER_GR_HOLD_WAIT_TIMEOUT",
    3782: "ER_GR_HOLD_KILLED",
    3783: "ER_GR_HOLD_MEMBER_STATUS_ERROR",
    3796: "ER_GRP_TRX_CONSISTENCY_NOT_ALLOWED",
    3797: "ER_GRP_TRX_CONSISTENCY_BEFORE",
    3798: "ER_GRP_TRX_CONSISTENCY_AFTER_ON_TRX_BEGIN",
    3989: "ER_SCHEMA_READ_ONLY",
    4049: "ER_OPERATION_NOT_ALLOWED_ON_GR_SECONDARY",
    4094: "ER_OPERATION_NOT_ALLOWED_WHILE_PRIMARY_CHANGE_IS_RUNNING",
    // Errors of a proxy (ProxySQL, MaxScale) about the server behind it.
    2002: "CR_CONNECTION_ERROR",
    2003: "CR_CONN_HOST_ERROR",
    2006: "CR_SERVER_GONE_ERROR",
    2013: "CR_SERVER_LOST",
    9001: "no server within the proxy's connect timeout",
  },

  /** The server has no space left: disk, table, log. */
  full: {
    1021: "ER_DISK_FULL",
    1026: "ER_ERROR_ON_WRITE",
    1114: "ER_RECORD_FILE_FULL",
    1197: "ER_TRANS_CACHE_FULL",
    1534: "ER_BINLOG_ROW_LOGGING_FAILED",
    1598: "ER_BINLOG_LOGGING_IMPOSSIBLE",
    1878: "ER_TEMP_FILE_WRITE_FAILURE",
    3019: "ER_INNODB_UNDO_LOG_FULL",
    3675: "ER_DISK_FULL_NOWAIT",
    4139: "ER_INDEX_FILE_FULL",
  },

  /** The server has no memory, locks, files or statements left, or a configured limit is reached. */
  resources: {
    1004: "ER_CANT_CREATE_FILE",
    1016: "ER_CANT_OPEN_FILE",
    1037: "ER_OUTOFMEMORY",
    1038: "ER_OUT_OF_SORTMEMORY",
    1041: "ER_OUT_OF_RESOURCES",
    1104: "ER_TOO_BIG_SELECT",
    1129: "ER_HOST_IS_BLOCKED",
    1206: "ER_LOCK_TABLE_FULL",
    1257: "ER_ZLIB_Z_MEM_ERROR",
    1436: "ER_STACK_OVERRUN_NEED_MORE",
    1461: "ER_MAX_PREPARED_STMT_COUNT_REACHED",
    1467: "ER_AUTOINC_READ_FAILED",
    3015: "ER_ENGINE_OUT_OF_MEMORY",
    3044: "ER_STD_BAD_ALLOC_ERROR",
    3170: "ER_CAPACITY_EXCEEDED",
    3950: "ER_DA_OOM",
    3985: "ER_MDL_OUT_OF_RESOURCES",
    4081: "ER_DA_GLOBAL_CONN_LIMIT",
    4082: "ER_DA_CONN_LIMIT",
  },

  /** The server or its administrator ended the statement or connection. */
  interrupted: {
    1028: "ER_FILSORT_ABORT",
    1152: "ER_ABORTING_CONNECTION",
    1184: "ER_NEW_ABORTING_CONNECTION",
    1317: "ER_QUERY_INTERRUPTED",
    1927: "ER_CONNECTION_KILLED",
    1931: "ER_QUERY_RESULT_INCOMPLETE",
    1969: "ER_STATEMENT_TIMEOUT",
    3024: "ER_QUERY_TIMEOUT",
    3169: "ER_SESSION_WAS_KILLED",
    4031: "ER_CLIENT_INTERACTION_TIMEOUT",
  },

  /** Files, tables or commits fail although the statement is valid. */
  storage: {
    1015: "ER_CANT_LOCK",
    1024: "ER_ERROR_ON_READ",
    1030: "ER_GET_ERRNO",
    1034: "ER_NOT_KEYFILE",
    1180: "ER_ERROR_DURING_COMMIT",
    1181: "ER_ERROR_DURING_ROLLBACK",
    1194: "ER_CRASHED_ON_USAGE",
    1195: "ER_CRASHED_ON_REPAIR",
    1712: "ER_INDEX_CORRUPT",
    1812: "ER_TABLESPACE_MISSING",
    1814: "ER_TABLESPACE_DISCARDED",
    1817: "ER_INNODB_INDEX_CORRUPT",
    1877: "ER_TABLE_CORRUPT",
  },

  /** The server rejects password, account, host or TLS. */
  credentials: {
    1045: "ER_ACCESS_DENIED_ERROR",
    1130: "ER_HOST_NOT_PRIVILEGED",
    1251: "ER_NOT_SUPPORTED_AUTH_MODE",
    1275: "ER_SERVER_IS_IN_SECURE_AUTH_MODE",
    1698: "ER_ACCESS_DENIED_NO_PASSWORD_ERROR",
    1820: "ER_MUST_CHANGE_PASSWORD",
    1862: "ER_MUST_CHANGE_PASSWORD_LOGIN",
    3118: "ER_ACCOUNT_HAS_BEEN_LOCKED",
    3159: "ER_SECURE_TRANSPORT_REQUIRED",
    3955: "ER_USER_ACCESS_DENIED_FOR_USER_ACCOUNT_BLOCKED_BY_PASSWORD_LOCK",
    4150: "ER_USER_IS_BLOCKED",
    4151: "ER_ACCOUNT_HAS_BEEN_LOCKED",
  },

  /** The database user lacks a privilege. */
  rights: {
    1044: "ER_DBACCESS_DENIED_ERROR",
    1142: "ER_TABLEACCESS_DENIED_ERROR",
    1143: "ER_COLUMNACCESS_DENIED_ERROR",
    1227: "ER_SPECIFIC_ACCESS_DENIED_ERROR",
    1370: "ER_PROCACCESS_DENIED_ERROR",
    3879: "ER_DB_ACCESS_DENIED",
    6038: "ER_SPECIFIC_ACCESS_DENIED",
  },

  /**
   * The database or a table is missing, as in the middle of a restore: a retry succeeds once it is back. A missing
   * column is not here: then code and schema have different versions, and no retry helps.
   */
  schema: {
    1046: "ER_NO_DB_ERROR",
    1049: "ER_BAD_DB_ERROR",
    1146: "ER_NO_SUCH_TABLE",
    1932: "ER_NO_SUCH_TABLE_IN_ENGINE",
  },

  /** Errors in a statement or its values that have no specific SQLSTATE. */
  statement: {
    1093: "ER_UPDATE_TABLE_USED",
    1099: "ER_TABLE_NOT_LOCKED_FOR_WRITE",
    1100: "ER_TABLE_NOT_LOCKED",
    1111: "ER_INVALID_GROUP_FUNC_USE",
    1192: "ER_LOCK_OR_ACTIVE_TRANSACTION",
    1210: "ER_WRONG_ARGUMENTS",
    1221: "ER_WRONG_USAGE",
    1223: "ER_CANT_UPDATE_WITH_READLOCK",
    1267: "ER_CANT_AGGREGATE_2COLLATIONS",
    1270: "ER_CANT_AGGREGATE_3COLLATIONS",
    1271: "ER_CANT_AGGREGATE_NCOLLATIONS",
    1295: "ER_UNSUPPORTED_PS",
    1300: "ER_INVALID_CHARACTER_STRING",
    1364: "ER_NO_DEFAULT_FOR_FIELD",
    1366: "ER_TRUNCATED_WRONG_VALUE_FOR_FIELD",
    1390: "ER_PS_MANY_PARAM",
    1411: "ER_WRONG_VALUE_FOR_TYPE",
    1906: "ER_WARNING_NON_DEFAULT_VALUE_FOR_GENERATED_COLUMN",
    3105: "ER_NON_DEFAULT_VALUE_FOR_GENERATED_COLUMN",
    3819: "ER_CHECK_CONSTRAINT_VIOLATED",
  },
} as const satisfies Record<string, ErrorList>;

/** The class of a database server's error. */
export type ServerErrorClass = keyof typeof SERVER_ERRORS | "other";

/**
 * SQLSTATE classes of errors in a statement or its values (syntax, missing columns, data, constraints), for numbers
 * that are in no list. A trigger raises 45. The request did not cause any other error that a server reports.
 */
const STATEMENT_STATES = /^(?:0[127A]|2[0-46F]|3[3-9C]|4[245]|XA)/;

/** Lower numbers come from the storage engine and the operating system: disk full, out of memory, cannot write. */
const FIRST_OF_SERVER = 1000;

const CLASSES: ReadonlyMap<number, ServerErrorClass> = new Map(
  Object.entries(SERVER_ERRORS).flatMap(([name, errors]) =>
    // The keys of the table are the class names.
    Object.keys(errors).map((number) => [Number(number), name as ServerErrorClass] as const),
  ),
);

/** The class of a MySQL or MariaDB error; `other` if it is in no list and not an error in the statement. */
export function classOfServerError(number: number, sqlState: string): ServerErrorClass {
  const known = CLASSES.get(number);
  if (known !== undefined) return known;
  if (number < FIRST_OF_SERVER) return "storage";
  if (sqlState.startsWith("40")) return "conflict";
  return STATEMENT_STATES.test(sqlState) ? "statement" : "other";
}

/** What an operator can do, by error class or error number. */
const ADVICE: Readonly<Record<string, string>> = {
  credentials: "check db_settings.user and password, and that this user may connect from this host",
  rights: "check the user's privileges in this database",
  schema: "check db_settings.database, or complete the restore of the database",
  full: "free space on the database server",
  1040: "raise the server's max_connections, or lower db_settings.pool_size",
  1203: "raise max_user_connections of the user, or lower db_settings.pool_size",
  1226: "raise the user's limits, or lower db_settings.pool_size",
  1461: "raise the server's max_prepared_stmt_count",
};

/** What an operator can do about a server's error; undefined if its own text says enough. */
export function adviceOnServerError(number: number, kind: ServerErrorClass): string | undefined {
  return ADVICE[number] ?? ADVICE[kind];
}
