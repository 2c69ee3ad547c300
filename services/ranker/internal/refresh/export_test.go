package refresh

// Stood is tested alone: a clock that is set back is no test of a process.
var Stood = stood
