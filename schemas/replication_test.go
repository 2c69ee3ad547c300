package schemas_test

import (
	"testing"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

func TestBehindIsWhatADatabaseLacks(t *testing.T) {
	beat := func(seconds int, token int64) schemas.Heartbeat {
		return schemas.Heartbeat{At: at(seconds), Token: token}
	}
	for name, c := range map[string]struct {
		held, newest schemas.Heartbeat
		want         time.Duration
		known        bool
	}{
		"the same":                         {beat(5, 50), beat(5, 50), 0, true},
		"behind":                           {beat(2, 20), beat(5, 50), 3 * time.Second, true},
		"ahead of what this vantage wrote": {beat(6, 60), beat(5, 50), 0, true},
		"never written":                    {beat(5, 50), schemas.Heartbeat{}, 0, false},
		"none held":                        {schemas.Heartbeat{SeenAt: at(1)}, beat(5, 50), 0, false},
		"clock set back in between":        {beat(9, 50), beat(3, 60), 0, false},
		"clock set back, and past it":      {beat(4, 70), beat(3, 60), 0, true},
		"clock set forward in between":     {beat(1, 50), beat(41, 60), 40 * time.Second, true},
	} {
		if got, known := c.held.Behind(c.newest); got != c.want || known != c.known {
			t.Errorf("%s: %s, known %t; want %s, %t", name, got, known, c.want, c.known)
		}
	}
}
