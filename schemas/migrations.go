package schemas

import "embed"

// Migrations are the ClickHouse schema: files NNNN_name.sql, applied in order, once each, and never edited afterwards.
//
//go:embed clickhouse/*.sql
var Migrations embed.FS
