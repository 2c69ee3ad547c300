package gate

// RTO (recovery time objective) is the name of the gate that a candidate serves soon enough after traffic is sent there.
const RTO = "rto"
