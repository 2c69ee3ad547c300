package console

import (
	"fmt"
	"html/template"
	"strings"
	"time"
	"unicode"

	"github.com/leeward-failover/leeward/schemas"
)

// functions are what templates may call.
var functions = template.FuncMap{
	"visible": visible, "age": func(t time.Time) string { return age(time.Since(t), "ago") }, "old": func(t time.Time) string { return age(time.Since(t), "old") }, "fine": fine, "next": func(i int) int { return i + 1 }, "clock": clock, "stamp": stamp, "ms": millis, "took": took, "size": size,
	"short": short, "percent": func(share float64) string { return fmt.Sprintf("%.0f %%", 100*share) }, "f": func(x float64) string { return fmt.Sprintf("%.1f", x) }, "seconds": func(s float64) string { return fmt.Sprintf("%.1f s", s) },
	"ranking": func(at time.Time, maxAge int) rankingBody { return rankingBody{At: at, MaxAge: maxAge} }, "stateWord": stateWord, "stateMark": stateMark, "resultMark": resultMark, "serves": serves, "inSeconds": inSeconds,
}

// visible makes text that came from outside safe to read: what would move the cursor, hide, or turn the direction of the text around it is written out.
// The escaping that keeps it text at all is the templates'.
func visible(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n' || r == '\t':
			b.WriteRune(r)
		case unicode.Is(unicode.Cc, r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Zl, r), unicode.Is(unicode.Zp, r), unicode.Is(unicode.Co, r), unicode.Is(unicode.Cs, r):
			fmt.Fprintf(&b, "⟨U+%04X⟩", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// age writes how long ago something was, or how old it is; console.js writes it the same way.
func age(d time.Duration, word string) string {
	switch s := int(d.Seconds()); {
	case s < 1:
		return "just now"
	case s < 60:
		return fmt.Sprintf("%d s %s", s, word)
	case s < 3600:
		return fmt.Sprintf("%d min %s", s/60, word)
	case s < 48*3600:
		return fmt.Sprintf("%d h %d min %s", s/3600, s%3600/60, word)
	default:
		return fmt.Sprintf("%d days %s", s/86400, word)
	}
}

// clock writes a time with its zone, and with its day when that is not today.
func clock(t time.Time) string {
	t = t.UTC()
	if t.Format(time.DateOnly) == time.Now().UTC().Format(time.DateOnly) {
		return t.Format("15:04:05 UTC")
	}
	return t.Format("2006-01-02 15:04:05 UTC")
}

// fine writes a time to the millisecond.
func fine(t time.Time) string { return t.UTC().Format("15:04:05.000 UTC") }

// stamp writes a time for machines.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// millis writes microseconds as milliseconds.
func millis(us uint32) string { return fmt.Sprintf("%.1f ms", float64(us)/1000) }

// took writes a duration as people read it.
func took(d time.Duration) string {
	switch {
	case d < 0:
		return "−" + took(-d)
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.2f s", d.Seconds())
	default:
		return d.Round(time.Second).String()
	}
}

func size(bytes uint64) string {
	switch {
	case bytes >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(bytes)/1e6)
	case bytes >= 1e3:
		return fmt.Sprintf("%.0f kB", float64(bytes)/1e3)
	}
	return fmt.Sprintf("%d B", bytes)
}

// short is a digest or an id as people tell them apart.
func short(s string) string {
	s = strings.TrimPrefix(s, "sha256:")
	return s[:min(len(s), 12)]
}

// stateWord and stateMark are how a plan's state is said and drawn.
func stateWord(s schemas.PlanState) string { return strings.ReplaceAll(string(s), "_", " ") }

func stateMark(s schemas.PlanState) string {
	switch s {
	case schemas.PlanFinished:
		return "pass"
	case schemas.PlanRefused:
		return "unknown"
	case schemas.PlanRolledBack, schemas.PlanFailed:
		return "fail"
	}
	return "busy"
}

// resultMark is how the result of a step is drawn.
func resultMark(result string) string {
	switch result {
	case "applied", "passed", "succeeded", "verified":
		return "pass"
	case "failed", "conflict":
		return "fail"
	case "started":
		return "busy"
	case "unknown", "pending":
		return "unknown"
	}
	return "none"
}
