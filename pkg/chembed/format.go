package chembed

import "strings"

// streamable tells whether documents of the format, one after the other, are one document. The engine gives a streamed
// result as a row of documents; JSON with its head and tail, CSVWithNames or Parquet must come in one piece, so a result
// in those formats is held in memory until it is complete.
func streamable(format string) bool {
	switch format {
	case "TabSeparated", "TSV", "TabSeparatedRaw", "TSVRaw", "CSV", "JSONEachRow", "JSONLines", "NDJSON",
		"JSONCompactEachRow", "JSONStringsEachRow", "JSONCompactStringsEachRow", "RowBinary", "Native", "LineAsString":
		return true
	}
	return false
}

func contentType(format string) string {
	switch {
	case format == "JSONEachRow", format == "JSONLines", format == "NDJSON":
		return "application/x-ndjson; charset=UTF-8"
	case strings.HasPrefix(format, "JSON"):
		return "application/json; charset=UTF-8"
	case strings.HasPrefix(format, "CSV"):
		return "text/csv; charset=UTF-8"
	case strings.HasPrefix(format, "TSV"), strings.HasPrefix(format, "TabSeparated"):
		return "text/tab-separated-values; charset=UTF-8"
	case format == "XML":
		return "application/xml; charset=UTF-8"
	case format == "Native", format == "Parquet", format == "ORC", format == "Avro", format == "Npy", format == "MsgPack",
		format == "BSONEachRow", strings.HasPrefix(format, "Arrow"), strings.HasPrefix(format, "RowBinary"),
		strings.HasPrefix(format, "Protobuf"), strings.HasPrefix(format, "CapnProto"):
		return "application/octet-stream"
	}
	return "text/plain; charset=UTF-8"
}
