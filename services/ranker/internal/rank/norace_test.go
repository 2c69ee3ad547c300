//go:build !race

package rank_test

// racing says that the race detector makes everything several times slower.
const racing = false
