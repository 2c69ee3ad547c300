// Package globe projects places on the globe onto a flat map. It is pure.
package globe

import "math"

// The map's size in its own units, for the whole globe.
const (
	Width  = 1000.0
	Height = 486.9
)

// The polynomial of the Equal Earth projection (Šavrič, Patterson and Jenny, 2018), which keeps areas true.
const (
	a1 = 1.340264
	a2 = -0.081106
	a3 = 0.000893
	a4 = 0.003796
	// half is the projection's x at the equator's end; the map is scaled so that it is half the width.
	half = 2.7066297
)

// Point is a place on the map, from its upper left corner.
type Point struct{ X, Y float64 }

// Project returns where on the map a latitude and a longitude, in degrees, are.
func Project(latitude, longitude float64) Point {
	const degree = math.Pi / 180
	theta := math.Asin(math.Sqrt(3) / 2 * math.Sin(latitude*degree))
	t2 := theta * theta
	t6 := t2 * t2 * t2
	x := 2 * math.Sqrt(3) * longitude * degree * math.Cos(theta) / (3 * (9*a4*t2*t6 + 7*a3*t6 + 3*a2*t2 + a1))
	y := theta * (a4*t2*t6 + a3*t6 + a2*t2 + a1)
	scale := Width / 2 / half
	return Point{Width/2 + x*scale, Height/2 - y*scale}
}
