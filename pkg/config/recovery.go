package config

import "github.com/leeward-failover/leeward/schemas"

// recovery checks the limit of how long a candidate may take to serve.
func (v validator) recovery(path string, a schemas.App) {
	if a.Gates.MaxRTO < 0 {
		v.failf(path, "as 30s, or leave it out", "is negative")
	}
}
