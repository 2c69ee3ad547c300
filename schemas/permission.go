package schemas

import "slices"

// Permissions are the subjects a bus user may publish to and subscribe to; everything else is refused by the server.
type Permissions struct {
	Publish   []string
	Subscribe []string
}

// InboxPrefix is the prefix of a user's reply subjects, so that no user can listen to another's answers.
func InboxPrefix(user string) string { return "_INBOX_" + Token(user) }

// UserName is the bus user of a service; each vantage's prober is a user of its own.
func UserName(s Service, vantage string) string {
	if s == Prober {
		return string(s) + "-" + vantage
	}
	return string(s)
}

// Permit is the permission table: it derives a user's rights from the contracts of topics, buckets and streams. vantage matters to probers only.
func Permit(s Service, vantage string) Permissions {
	user := UserName(s, vantage)
	p := &Permissions{Subscribe: []string{InboxPrefix(user) + ".>"}}
	if s == Setup {
		p.Publish = []string{"$JS.API.>"}
		return *p
	}
	for _, c := range Catalog() {
		if c.Producer == s {
			p.publishTopic(c, s, vantage)
		}
		if slices.Contains(c.Readers, s) {
			p.readTopic(c, s, vantage)
		}
	}
	for _, b := range Buckets() {
		if b.Writer == s {
			p.writeBucket(b, s, vantage)
		}
		if b.Writer == s || slices.Contains(b.Readers, s) || s == Gateway {
			p.readBucket(b)
		}
	}
	switch s {
	case Prober:
		p.allow(SampleSubject(vantage))
	case Ranker:
		p.allow(EvaluationsSubject + ".*")
	case Builder:
		p.allow(BenchmarksSubject + ".*")
	case Gateway:
		p.readStream(Events)
		p.allow(SampleSubject(ImportVantage))
		p.readStream(Letters)
		// People replay and drop letters through the gateway. A replayed one goes through a door of its stream's, so that the subjects of producers stay theirs.
		p.allow("$JS.API.STREAM.MSG.DELETE." + Letters)
		for _, stream := range Streams() {
			p.allow(stream.Replays()...)
		}
		// How full these are is shown to people; what is in them is not the gateway's business.
		p.allow("$JS.API.STREAM.INFO."+Samples, "$JS.API.STREAM.INFO."+Imports, "$JS.API.STREAM.INFO."+Evaluations)
	case Recorder:
		for _, stream := range []string{Samples, Imports, Evaluations, Events} {
			p.readStream(stream)
		}
		// Samples are read in the domains of regions, too, whatever these are called.
		for _, subject := range readingOf(Samples) {
			if there := InDomain("*", subject); there != subject {
				p.allow(there)
			}
		}
	}
	if s != Runtime {
		p.allow(LetterSubject + "." + Token(user) + ".>")
	}
	return *p
}

func (p *Permissions) allow(subjects ...string) { p.Publish = append(p.Publish, subjects...) }

func (p *Permissions) publishTopic(c Contract, s Service, vantage string) {
	if s == Prober {
		p.allow(c.Name + ".*.*." + Token(vantage))
		return
	}
	p.allow(c.Filter())
}

func (p *Permissions) readTopic(c Contract, s Service, vantage string) {
	durable := c.Durable(s, vantage)
	p.allow(
		"$JS.API.CONSUMER.INFO."+c.Stream+"."+durable,
		"$JS.API.CONSUMER.MSG.NEXT."+c.Stream+"."+durable,
		// Both forms of acknowledgement subjects: servers announce the second and still use the first.
		"$JS.ACK."+c.Stream+"."+durable+".>",
		"$JS.ACK.*.*."+c.Stream+"."+durable+".>",
	)
}

func (p *Permissions) writeBucket(b BucketContract, s Service, vantage string) {
	if s == Prober {
		p.allow("$KV."+b.Name+"."+Token(vantage), "$KV."+b.Name+"."+Token(vantage)+".>")
		return
	}
	p.allow("$KV." + b.Name + ".>")
}

func (p *Permissions) readBucket(b BucketContract) {
	p.readStream(BucketStream(b.Name))
}

// readStream lets a user read a whole stream through consumers that end with it and by direct get. It can change nothing the stream holds.
func (p *Permissions) readStream(stream string) { p.allow(readingOf(stream)...) }

func readingOf(stream string) []string {
	return []string{
		"$JS.API.STREAM.INFO." + stream,
		"$JS.API.CONSUMER.CREATE." + stream + ".>",
		"$JS.API.CONSUMER.DELETE." + stream + ".>",
		"$JS.API.CONSUMER.INFO." + stream + ".>",
		"$JS.API.CONSUMER.MSG.NEXT." + stream + ".>",
		"$JS.API.DIRECT.GET." + stream,
		"$JS.API.DIRECT.GET." + stream + ".>",
		"$JS.API.STREAM.MSG.GET." + stream,
		"$JS.FC." + stream + ".>",
	}
}
