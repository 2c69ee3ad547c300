module github.com/leeward-failover/leeward/test

go 1.26.8

require (
	golang.org/x/sync v0.24.0
	golang.org/x/sys v0.49.0
)

replace (
	github.com/leeward-failover/leeward/pkg => ../pkg
	github.com/leeward-failover/leeward/schemas => ../schemas
)
