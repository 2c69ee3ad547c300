package chembed

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
)

// exception is an error in ClickHouse's own words and numbers.
type exception struct {
	code int
	text string // begins with "Code: N. DB::Exception: "
}

func (e *exception) Error() string { return e.text }

// ClickHouse's codes for what this package refuses by itself.
const (
	codeIncomplete     = 33
	codeBadArguments   = 36
	codeNotImplemented = 48
	codeSyntax         = 62
	codeReadonly       = 164
	codeTooMany        = 202
	codeTooLarge       = 229
	codeUnauthorized   = 516
	codeUnknown        = 1002
)

var codePattern = regexp.MustCompile(`^Code: (\d+)\.`)

// newException reads the code out of an error text of the engine.
func newException(text string) *exception {
	if m := codePattern.FindStringSubmatch(text); m != nil {
		if code, err := strconv.Atoi(m[1]); err == nil {
			return &exception{code, text}
		}
	}
	return &exception{codeUnknown, fmt.Sprintf("Code: %d. DB::Exception: %s (UNKNOWN_EXCEPTION)", codeUnknown, text)}
}

func refuse(code int, name, format string, args ...any) *exception {
	return &exception{code, fmt.Sprintf("Code: %d. DB::Exception: %s. (%s)", code, fmt.Sprintf(format, args...), name)}
}

// status is the HTTP status ClickHouse's server sends for a code.
func (e *exception) status() int {
	switch e.code {
	case 6, 25, 26, 27, 36, 37, 38, 41, 43, 53, 62, 72, 117, 123, 167, 168, 223, 321, 376, 441, 456, 457, 467, 675, 676:
		return http.StatusBadRequest
	case 194, codeUnauthorized:
		return http.StatusUnauthorized
	case codeReadonly, 291, 497:
		return http.StatusForbidden
	case 46, 47, 50, 56, 60, 63, 73, 81, 115, 152:
		return http.StatusNotFound
	case 159:
		return http.StatusRequestTimeout
	case codeTooLarge:
		return http.StatusRequestEntityTooLarge
	case codeNotImplemented:
		return http.StatusNotImplemented
	case 76, codeTooMany, 209, 439:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}
