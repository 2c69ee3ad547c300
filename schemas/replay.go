package schemas

import (
	"slices"
	"strings"
)

// ReplaySubject is the door for letters that are put back: what is published below ReplaySubject.<stream> is stored under its own subject.
const ReplaySubject = "leeward.letter.replayed.v1"

// SubjectRoot begins every subject that is not the bus's own.
const SubjectRoot = "leeward."

// Replays are the subjects on which the stream takes replayed letters, one for each of its own; the dead letters take none.
func (s StreamContract) Replays() []string {
	if s.Name == Letters {
		return nil
	}
	var replays []string
	for _, subject := range s.Subjects {
		replays = append(replays, s.ReplayDoor()+strings.TrimPrefix(subject, SubjectRoot))
	}
	return replays
}

// ReplayDoor is what stands before the rest of a subject that is replayed into the stream, in place of the subject's first token.
func (s StreamContract) ReplayDoor() string { return ReplaySubject + "." + s.Name + "." }

// Replay returns the subject to publish on so that the stream stores a message under subject; false when that is none of the stream's.
func Replay(stream, subject string) (string, bool) {
	for _, s := range Streams() {
		if s.Name != stream || s.Name == Letters {
			continue
		}
		for _, filter := range s.Subjects {
			if matches(filter, subject) {
				return s.ReplayDoor() + strings.TrimPrefix(subject, SubjectRoot), true
			}
		}
	}
	return "", false
}

// matches says whether a subject is one of those a filter stands for.
func matches(filter, subject string) bool {
	want, got := strings.Split(filter, "."), strings.Split(subject, ".")
	for i, token := range want {
		switch {
		case token == ">":
			return i < len(got) && plain(got)
		case i == len(got), token != "*" && token != got[i]:
			return false
		}
	}
	return len(want) == len(got) && plain(got)
}

// plain says whether tokens are such as Token makes.
func plain(tokens []string) bool {
	return !slices.ContainsFunc(tokens, func(t string) bool { return t == "" || strings.ContainsAny(t, "*> \t\r\n") })
}
