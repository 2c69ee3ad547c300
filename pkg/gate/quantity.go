package gate

import (
	"strconv"
	"time"
)

// Quantity is a number with its unit, as a gate's value and threshold have it.
func Quantity(v float64, unit string) string { return number(v) + " " + unit }

// Seconds is a duration as a gate's value and threshold have it, to the millisecond.
func Seconds(d time.Duration) string { return Quantity(d.Round(time.Millisecond).Seconds(), "s") }

// Milliseconds is a short duration as a gate's value and threshold have it, to the microsecond.
func Milliseconds(d time.Duration) string {
	return Quantity(float64(d.Round(time.Microsecond).Microseconds())/1000, "ms")
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
