//go:build !linux

package clock

import "time"

// Alarm goes off at a moment, as exactly as the runtime's timers do.
type Alarm struct{ timer *time.Timer }

// NewAlarm makes an alarm that is not set.
func NewAlarm() (*Alarm, error) { return &Alarm{time.NewTimer(1 << 62)}, nil }

// Set has the alarm go off after a while, instead of when it would have before.
func (a *Alarm) Set(after time.Duration) { a.timer.Reset(after) }

// Wait returns when the alarm goes off.
func (a *Alarm) Wait() { <-a.timer.C }

// Close gives the timer back.
func (a *Alarm) Close() { a.timer.Stop() }
