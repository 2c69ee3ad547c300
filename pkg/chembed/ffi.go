package chembed

import (
	"fmt"
	"unsafe"

	"github.com/ebitengine/purego"
)

// library holds the functions of libchdb that are used here. Lengths are size_t.
type library struct {
	setSignalHandlers func(enabled int32)
	connect           func(argc int32, argv unsafe.Pointer) unsafe.Pointer
	closeConn         func(handle unsafe.Pointer)
	classify          func(conn, sql unsafe.Pointer, sqlLen int, database unsafe.Pointer, databaseLen int, report unsafe.Pointer) int32

	query  withParams
	stream withParams
	insert withParams

	fetch        func(conn, stream unsafe.Pointer) unsafe.Pointer
	cancelStream func(conn, stream unsafe.Pointer)

	insertAppend  func(stream, data unsafe.Pointer, dataLen int) int32
	insertDone    func(stream unsafe.Pointer) unsafe.Pointer
	insertError   func(stream unsafe.Pointer) string
	insertDestroy func(stream unsafe.Pointer)

	resultBuffer  func(result unsafe.Pointer) unsafe.Pointer
	resultLength  func(result unsafe.Pointer) int
	resultError   func(result unsafe.Pointer) string
	rowsRead      func(result unsafe.Pointer) uint64
	rowsWritten   func(result unsafe.Pointer) uint64
	bytesWritten  func(result unsafe.Pointer) uint64
	destroyResult func(result unsafe.Pointer)
}

type withParams = func(conn, sql unsafe.Pointer, sqlLen int, format unsafe.Pointer, formatLen int,
	names, nameLens, values, valueLens unsafe.Pointer, count int) unsafe.Pointer

func (l *library) bind(handle uintptr) error {
	for name, function := range map[string]any{
		"chdb_set_signal_handlers_enabled": &l.setSignalHandlers,
		"chdb_connect":                     &l.connect,
		"chdb_close_conn":                  &l.closeConn,
		"chdb_classify_query_n":            &l.classify,
		"chdb_query_with_params_n":         &l.query,
		"chdb_stream_query_with_params_n":  &l.stream,
		"chdb_stream_insert_with_params_n": &l.insert,
		"chdb_stream_fetch_result":         &l.fetch,
		"chdb_stream_cancel_query":         &l.cancelStream,
		"chdb_stream_append":               &l.insertAppend,
		"chdb_stream_done":                 &l.insertDone,
		"chdb_stream_insert_error":         &l.insertError,
		"chdb_destroy_insert_stream":       &l.insertDestroy,
		"chdb_result_buffer":               &l.resultBuffer,
		"chdb_result_length":               &l.resultLength,
		"chdb_result_error":                &l.resultError,
		"chdb_result_rows_read":            &l.rowsRead,
		"chdb_result_rows_written":         &l.rowsWritten,
		"chdb_result_bytes_written":        &l.bytesWritten,
		"chdb_destroy_query_result":        &l.destroyResult,
	} {
		symbol, err := purego.Dlsym(handle, name)
		if err != nil {
			return fmt.Errorf("not a libchdb of version %s: %w", Version, err)
		}
		purego.RegisterFunc(function, symbol)
	}
	return nil
}

// cStrings lays Go strings out as C wants them: an array of pointers to NUL-terminated bytes, and one of lengths. Both
// stay valid while the value is reachable, so a caller keeps it alive past the call.
type cStrings struct {
	values []*byte
	sizes  []int
}

func newCStrings(values ...string) cStrings {
	var s cStrings
	for _, v := range values {
		s.values = append(s.values, unsafe.SliceData(append([]byte(v), 0)))
		s.sizes = append(s.sizes, len(v))
	}
	return s
}

func (s cStrings) pointers() unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(s.values)) }
func (s cStrings) lengths() unsafe.Pointer  { return unsafe.Pointer(unsafe.SliceData(s.sizes)) }

type params struct{ names, values cStrings }

func newParams(named map[string]string) params {
	var names, values []string
	for name, value := range named {
		names, values = append(names, name), append(values, value)
	}
	return params{newCStrings(names...), newCStrings(values...)}
}

func bytesOf(s string) unsafe.Pointer { return unsafe.Pointer(unsafe.StringData(s)) }
