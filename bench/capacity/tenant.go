package main

import (
	"math"
	"math/rand/v2"
)

// Tenant is what a tenant asks of its cell. Rates are by the second.
type Tenant struct {
	Viewers, Events float64
	Share           float64 // of the events, that one viewer gets
	Routes, Plugins float64
	Sources         float64
	SourceEvents    float64 // of Events
}

// Deliveries is how many frames its viewers get in a second.
func (t Tenant) Deliveries() float64 { return t.Viewers * t.Events * t.Share }

// Crowd is a kind of tenants.
type Crowd struct {
	Name, What string
	draw       func(*rand.Rand) Tenant
}

// crowds are kinds that differ in what they are rich in.
func crowds() []Crowd {
	return []Crowd{
		{"many small", "half of the tenants have fewer than 20 viewers and an event in 10 s", func(r *rand.Rand) Tenant {
			return Tenant{Viewers: skewed(r, 20, 1.5), Events: skewed(r, 0.1, 1.2), Share: 0.5, Routes: 5, Plugins: 1}
		}},
		{"live pages", "half have more than 2,000 viewers, who get two events a second", func(r *rand.Rand) Tenant {
			return Tenant{Viewers: skewed(r, 2000, 1), Events: skewed(r, 2, 0.7), Share: 1, Routes: 10, Plugins: 2}
		}},
		{"AI gateway", "each viewer has a stream of its own; one in ten gets 30 tokens a second", func(r *rand.Rand) Tenant {
			viewers := skewed(r, 100, 1.2)
			return Tenant{Viewers: viewers, Events: viewers * 0.1 * 30, Share: 1 / viewers, Routes: 5, Plugins: 3}
		}},
		{"feeds", "ten sources each, with 20 events a second together, for 200 viewers who each want a tenth", func(r *rand.Rand) Tenant {
			events := skewed(r, 20, 1)
			return Tenant{Viewers: skewed(r, 200, 1), Events: events, SourceEvents: events, Share: 0.1, Routes: 10, Plugins: 2, Sources: 10}
		}},
	}
}

// skewed draws from a log-normal distribution: most are near the median, few are very large.
func skewed(r *rand.Rand, median, sigma float64) float64 {
	return median * math.Exp(sigma*r.NormFloat64())
}
