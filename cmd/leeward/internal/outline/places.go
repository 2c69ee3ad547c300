package outline

import "github.com/leeward-failover/leeward/schemas"

func place(latitude, longitude float64, jurisdiction string) schemas.Region {
	return schemas.Region{Location: schemas.Location{Latitude: latitude, Longitude: longitude}, Jurisdiction: jurisdiction}
}

// places are cities that regions are named after, and where they are, to a hundredth of a degree.
var places = map[string]schemas.Region{
	"amsterdam": place(52.37, 4.90, "NL"), "ashburn": place(39.04, -77.49, "US"), "chicago": place(41.88, -87.63, "US"), "columbus": place(39.96, -83.00, "US"),
	"dallas": place(32.78, -96.80, "US"), "dublin": place(53.35, -6.26, "IE"), "frankfurt": place(50.11, 8.68, "DE"), "helsinki": place(60.17, 24.94, "FI"),
	"hongkong": place(22.32, 114.17, "HK"), "johannesburg": place(-26.20, 28.05, "ZA"), "london": place(51.51, -0.13, "GB"), "losangeles": place(34.05, -118.24, "US"),
	"madrid": place(40.42, -3.70, "ES"), "melbourne": place(-37.81, 144.96, "AU"), "milan": place(45.46, 9.19, "IT"), "montreal": place(45.50, -73.57, "CA"),
	"mumbai": place(19.08, 72.88, "IN"), "newyork": place(40.71, -74.01, "US"), "osaka": place(34.69, 135.50, "JP"), "paris": place(48.86, 2.35, "FR"),
	"portland": place(45.52, -122.68, "US"), "saopaulo": place(-23.55, -46.63, "BR"), "seoul": place(37.57, 126.98, "KR"), "singapore": place(1.35, 103.82, "SG"),
	"stockholm": place(59.33, 18.07, "SE"), "sydney": place(-33.87, 151.21, "AU"), "tokyo": place(35.68, 139.69, "JP"), "toronto": place(43.65, -79.38, "CA"),
	"warsaw": place(52.23, 21.01, "PL"), "zurich": place(47.37, 8.54, "CH"),
}
