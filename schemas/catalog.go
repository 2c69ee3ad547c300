package schemas

// Catalog lists the contract of every topic. A test parses the package and fails when one is missing.
func Catalog() []Contract {
	return []Contract{
		ImagePushedTopic.contract,
		SourcePushedTopic.contract,
		AlertReceivedTopic.contract,
		TopologyChangedTopic.contract,
		FailoverRequestedTopic.contract,
		BuildFinishedTopic.contract,
		ImageReplicatedTopic.contract,
		HealthChangedTopic.contract,
		RankingChangedTopic.contract,
		AnomalyDetectedTopic.contract,
		ProbeRequestedTopic.contract,
		FailoverPlannedTopic.contract,
		FailoverSteppedTopic.contract,
		FailoverFinishedTopic.contract,
		DrillFinishedTopic.contract,
	}
}
