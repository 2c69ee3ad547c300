package console

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/gateway/internal/globe"
)

// drawing is the app's regions on a piece of the map, in pixels.
type drawing struct {
	W, H float64
	// Land is where the whole map's picture lies.
	Land  box
	Links []link
	Nodes []node
	// Says is the drawing in words.
	Says string
}

type box struct{ X, Y, W, H float64 }

func (b box) meets(o box) bool {
	return b.X < o.X+o.W && o.X < b.X+b.W && b.Y < o.Y+o.H && o.Y < b.Y+b.H
}

// link is a line between two regions. Main ones begin where traffic is, and have a label.
type link struct {
	Path           string
	Main           bool
	Label          string
	X, Y           float64
	From, Bend, To globe.Point
}

// node is a region.
type node struct {
	tally
	X, Y    float64
	Active  bool
	Variant string
	Label   box
	// TextX and Anchor are where the label's text begins or ends.
	TextX  float64
	Anchor string
	// Lead is a line from the node to a label that is not beside it.
	Lead       bool
	Word       string
	TextY1     float64
	TextY2     float64
	LeadX, LdY float64
}

const (
	// margin is the room around the outermost regions, roomiest how much of the map is shown at least.
	margin   = 46.0
	roomiest = 0.3
	labelH   = 29.0
	// shortest is how long a line must be to have its round trip written on it; of a shorter one it is written at its end.
	shortest = 150.0
	letterW  = 6.9
)

// draw lays an app's regions out on a drawing of a size. What lies outside all regions, or nowhere, is in the table only.
func (s snapshot) draw(a schemas.App, w, h float64) drawing {
	d := drawing{W: w, H: h}
	active := s.routes[a.Name].Active
	var places []globe.Point
	var regions []schemas.Region
	for _, name := range a.Regions() {
		if r, ok := s.topology.Region(name); ok {
			regions = append(regions, r)
			places = append(places, globe.Project(r.Location.Latitude, r.Location.Longitude))
		}
	}
	scale, dx, dy := fit(places, w, h)
	d.Land = box{dx, dy, globe.Width * scale, globe.Height * scale}
	for i, r := range regions {
		n := node{tally: s.tally(a, r.Name), X: places[i].X*scale + dx, Y: places[i].Y*scale + dy, Active: r.Name == active.Region}
		n.Word = fmt.Sprintf("%s %d/%d", n.Health, n.Saying, n.Sighted)
		if n.Sighted == 0 {
			n.Word = "nobody sees it"
		}
		if n.Active {
			n.Word = "traffic · " + n.Word
		} else if us := s.roundTrip(a, active.Region, r.Name); us > 0 && near(places, regions, i, active.Region, scale) {
			n.Word += " · " + millis(us)
		}
		d.Nodes = append(d.Nodes, n)
	}
	d.connect(s, a)
	d.label()
	d.Says = d.words()
	return d
}

// near says whether a region is so close to the active one that the line between them has no room for words.
func near(places []globe.Point, regions []schemas.Region, i int, active string, scale float64) bool {
	k := slices.IndexFunc(regions, func(r schemas.Region) bool { return r.Name == active })
	return k >= 0 && math.Hypot(places[i].X-places[k].X, places[i].Y-places[k].Y)*scale <= shortest
}

// fit finds the scale and shift that show all places with some room around them.
func fit(places []globe.Point, w, h float64) (scale, dx, dy float64) {
	low, high := globe.Point{X: globe.Width, Y: globe.Height}, globe.Point{}
	for _, p := range places {
		low = globe.Point{X: min(low.X, p.X), Y: min(low.Y, p.Y)}
		high = globe.Point{X: max(high.X, p.X), Y: max(high.Y, p.Y)}
	}
	if len(places) == 0 {
		low, high = globe.Point{}, globe.Point{X: globe.Width, Y: globe.Height}
	}
	side := min(1.6*margin, w/6)
	scale = min((w-2*side)/max(high.X-low.X, globe.Width*roomiest), (h-2*margin)/max(high.Y-low.Y, globe.Height*roomiest))
	return scale, w/2 - (low.X+high.X)/2*scale, h/2 - (low.Y+high.Y)/2*scale
}

// connect draws a bent line between every two regions.
func (d *drawing) connect(s snapshot, a schemas.App) {
	for i, from := range d.Nodes {
		for _, to := range d.Nodes[i+1:] {
			l := link{Main: from.Active || to.Active}
			rise := math.Hypot(to.X-from.X, to.Y-from.Y) * 0.18
			l.From, l.To = globe.Point{X: from.X, Y: from.Y}, globe.Point{X: to.X, Y: to.Y}
			l.Bend = globe.Point{X: (from.X + to.X) / 2, Y: (from.Y+to.Y)/2 - rise}
			l.Path = fmt.Sprintf("M%.1f %.1fQ%.1f %.1f %.1f %.1f", from.X, from.Y, l.Bend.X, l.Bend.Y, to.X, to.Y)
			if us := s.roundTrip(a, from.Region, to.Region); us > 0 && l.Main && math.Hypot(to.X-from.X, to.Y-from.Y) > shortest {
				l.Label = millis(us)
			}
			d.Links = append(d.Links, l)
		}
	}
}

// roundTrip is the latest round trip between two regions, measured from either by a vantage that is in it; 0 when none was.
func (s snapshot) roundTrip(a schemas.App, one, other string) uint32 {
	best := uint32(0)
	for _, v := range s.topology.Vantages {
		far := map[string]string{one: other, other: one}[v.Region]
		if far == "" {
			continue
		}
		if us := s.sight(a, v.Name, far).ConnectUS; us > 0 && (best == 0 || us < best) {
			best = us
		}
	}
	return best
}

// label finds each node a place for its name where it meets no other label and no node; the farther places get a line that leads there.
func (d *drawing) label() {
	var taken []box
	for _, n := range d.Nodes {
		taken = append(taken, box{n.X - 9, n.Y - 9, 18, 18})
	}
	for i := range d.Nodes {
		n := &d.Nodes[i]
		width := letterW * float64(max(len(n.Region)+1, len([]rune(n.Word))))
		places := []box{
			{n.X + 14, n.Y - labelH/2, width, labelH}, {n.X - 14 - width, n.Y - labelH/2, width, labelH},
			{n.X - width/2, n.Y + 14, width, labelH}, {n.X - width/2, n.Y - 14 - labelH, width, labelH},
			{n.X + 20, n.Y + 12, width, labelH}, {n.X - 20 - width, n.Y + 12, width, labelH},
			{n.X + 20, n.Y - 46, width, labelH}, {n.X - 20 - width, n.Y - 46, width, labelH},
			{n.X + 20, n.Y + 44, width, labelH}, {n.X - 20 - width, n.Y + 44, width, labelH},
			{n.X - width/2, n.Y + 60, width, labelH}, {n.X - width/2, n.Y - 84, width, labelH},
		}
		n.Label = places[0]
		for k, p := range places {
			if k >= 2 {
				p.X = min(max(p.X, 3), d.W-3-p.W)
			}
			if p.X < 2 || p.Y < 2 || p.X+p.W > d.W-2 || p.Y+p.H > d.H-2 || meetsAny(p, taken) {
				continue
			}
			n.Label, n.Lead = p, k >= 4
			break
		}
		taken = append(taken, n.Label)
		switch {
		case n.Label.X > n.X:
			n.TextX, n.Anchor = n.Label.X, "start"
		case n.Label.X+n.Label.W < n.X:
			n.TextX, n.Anchor = n.Label.X+n.Label.W, "end"
		default:
			n.TextX, n.Anchor = n.Label.X+n.Label.W/2, "middle"
		}
		n.TextY1, n.TextY2 = n.Label.Y+12, n.Label.Y+26
		n.LeadX, n.LdY = min(max(n.X, n.Label.X), n.Label.X+n.Label.W), min(max(n.Y, n.Label.Y), n.Label.Y+n.Label.H)
	}
	for i := range d.Links {
		d.Links[i].place(&taken)
	}
}

// place puts a link's label on its line where it meets nothing, as near to the middle as can be.
func (l *link) place(taken *[]box) {
	if l.Label == "" {
		return
	}
	width := letterW*float64(len(l.Label)) + 4
	for _, t := range []float64{0.5, 0.6, 0.4, 0.7, 0.3, 0.8, 0.2} {
		x, y := l.at(t)
		if at := (box{x - width/2, y - 9, width, 18}); !meetsAny(at, *taken) {
			l.X, l.Y = x, y
			*taken = append(*taken, at)
			return
		}
	}
	l.Label = ""
}

// at is the point of the line at a share of its way.
func (l *link) at(t float64) (x, y float64) {
	u := 1 - t
	return u*u*l.From.X + 2*u*t*l.Bend.X + t*t*l.To.X, u*u*l.From.Y + 2*u*t*l.Bend.Y + t*t*l.To.Y
}

func meetsAny(b box, others []box) bool {
	for _, o := range others {
		if b.meets(o) {
			return true
		}
	}
	return false
}

// words says what the drawing shows.
func (d *drawing) words() string {
	var said []string
	for _, n := range d.Nodes {
		said = append(said, n.Region+": "+n.Word)
	}
	return "Map of the regions. " + strings.Join(said, "; ") + ". The table has every figure."
}
