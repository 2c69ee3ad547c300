module github.com/leeward-failover/leeward/services/ranker

go 1.26.8

require (
	github.com/leeward-failover/leeward/pkg v0.0.0
	github.com/leeward-failover/leeward/schemas v0.0.0
)

require github.com/google/go-cmp v0.7.0 // indirect

replace (
	github.com/leeward-failover/leeward/pkg => ../../pkg
	github.com/leeward-failover/leeward/schemas => ../../schemas
)
