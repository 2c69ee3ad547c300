// Package chembed runs a real ClickHouse engine, libchdb, in a process of its own behind ClickHouse's HTTP interface, so
// that the unmodified clickhouse-go driver and curl speak to it as they would to a server. It is the development and
// test engine: one process, one directory, no replication, no users beyond one token.
//
// Whoever holds the token can read every file the process can read and make requests from it, through the table
// functions file and url. It therefore listens on loopback only, refuses every request without the token, and should
// run as a user who owns nothing else.
//
// What a request may hold: a query in ?query=, in the body, or both; param_<name>; settings; database, query_id,
// default_format, wait_end_of_query; the X-ClickHouse-… headers of the same names. Sessions, external tables,
// ClickHouse's own block compression and several statements in one request are refused, never half done. One request is
// one fresh connection to the engine, which takes a third of a millisecond and leaves no session state behind.
//
// Results in row formats (TabSeparated, CSV, JSONEachRow, RowBinary, Native, …) are streamed; those with a head or a tail
// (JSON, CSVWithNames, Parquet, …) are held in memory until they are complete. A query whose client hangs up is killed.
package chembed
