package runtime

// Untar is untar, for tests.
var Untar = untar
