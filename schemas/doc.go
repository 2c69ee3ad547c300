// Package schemas holds everything that crosses a process boundary: events, subjects, streams, key-value buckets,
// permissions and the ClickHouse schema. It imports the standard library and protowire only, and does no I/O.
package schemas
