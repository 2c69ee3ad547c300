module github.com/leeward-failover/leeward/pkg

go 1.26.8

require (
	github.com/leeward-failover/leeward/schemas v0.0.0
)

replace (
	github.com/leeward-failover/leeward/schemas => ../schemas
)
