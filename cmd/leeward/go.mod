module github.com/leeward-failover/leeward/cmd/leeward

go 1.26.8

require (
	github.com/leeward-failover/leeward/schemas v0.0.0
	github.com/leeward-failover/leeward/pkg v0.0.0
	github.com/leeward-failover/leeward/services/gateway v0.0.0
	github.com/leeward-failover/leeward/services/builder v0.0.0
	github.com/leeward-failover/leeward/services/prober v0.0.0
	github.com/leeward-failover/leeward/services/recorder v0.0.0
	github.com/leeward-failover/leeward/services/ranker v0.0.0
	github.com/leeward-failover/leeward/services/failover-actuator v0.0.0
)

replace (
	github.com/leeward-failover/leeward/schemas => ../../schemas
	github.com/leeward-failover/leeward/pkg => ../../pkg
	github.com/leeward-failover/leeward/services/gateway => ../../services/gateway
	github.com/leeward-failover/leeward/services/builder => ../../services/builder
	github.com/leeward-failover/leeward/services/prober => ../../services/prober
	github.com/leeward-failover/leeward/services/recorder => ../../services/recorder
	github.com/leeward-failover/leeward/services/ranker => ../../services/ranker
	github.com/leeward-failover/leeward/services/failover-actuator => ../../services/failover-actuator
)
