package console

// Visible is visible, for tests.
var Visible = visible

// Knows says whether the events of a topic have a sentence.
func Knows(topic string) bool { return readers[topic] != nil }
