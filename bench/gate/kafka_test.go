//go:build kafka

package gate

import (
	"fmt"
	"log/slog"
	"math"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/bench/peer"
	"highwater.dev/bench/peers"
)

// What a load may cost in processor time: so much of Apache Kafka's in the same run or, where that is not 0, of the floor's.
var cpuLimits = []struct {
	load           string
	kafka, ofFloor float64
}{
	{"Produce/size=1024", 0.7, 1.2},
	{"Consume/size=1024", 0.9, 0},
}

// runs are tried until one finds no load too dear. A real regression is found by all of them.
const runs = 3

// Processor time for a GB, as a ratio to Apache Kafka's in the same run. Of each server the cheapest of several rounds counts: what else
// runs on the machine, and the first touch of a page, only ever add. Where they add the same to everybody for minutes, ratios go towards 1,
// and the floor, which pays it as well, is the better measure. The margin is what the two processes of Highwater differ by.
func TestCPUAgainstKafka(t *testing.T) {
	binary, err := peer.BuildHighwater(t.Context(), t.TempDir())
	require.NoError(t, err)
	require.NoError(t, peer.KafkaAvailable(t.Context()))
	p := peers.DefaultPlan()
	p.Only, p.Rounds, p.Bytes = regexp.MustCompile(`^Produce(\+Consume)?/size=1024$`), 6, 256<<20
	starters := append(peers.StartersFor(binary), peers.FloorStarter(binary))
	var samples []peers.Sample
	var dear []string
	for range runs {
		more, err := peers.Run(t.Context(), p, starters, t.TempDir(), slog.New(slog.NewTextHandler(os.Stderr, nil)))
		require.NoError(t, err)
		samples = append(samples, more...)
		if dear = tooDear(t, samples); len(dear) == 0 {
			return
		}
	}
	require.Empty(t, dear, "in %d runs", runs)
}

// tooDear names the loads that cost more than they may.
func tooDear(t *testing.T, samples []peers.Sample) (loads []string) {
	for _, l := range cpuLimits {
		ours, again := cheapest(samples, l.load, peers.Highwater), cheapest(samples, l.load, peers.Again)
		kafka, floor := cheapest(samples, l.load, peers.Kafka), cheapest(samples, l.load, peers.Floor)
		margin := 1 + math.Abs(ours/again-1)
		require.Less(t, max(ours, again, kafka), math.Inf(1), "%s was not measured", l.load)
		require.True(t, l.ofFloor == 0 || !math.IsInf(floor, 1), "%s was not measured at the floor", l.load)
		t.Logf("%s: %.3f cpu-s/GB (the twin %.3f), Apache Kafka %.3f: at most %.2f of it, times %.2f", l.load, ours, again, kafka, l.kafka, margin)
		if l.ofFloor > 0 {
			t.Logf("%s: or, the floor being %.3f, at most %.2f of that, times %.2f", l.load, floor, l.ofFloor, margin)
		}
		if !(ours <= kafka*l.kafka*margin || l.ofFloor > 0 && ours <= floor*l.ofFloor*margin) {
			loads = append(loads, fmt.Sprintf("%s: %.2f of Kafka's", l.load, ours/kafka))
		}
	}
	return loads
}

func cheapest(samples []peers.Sample, load, server string) float64 {
	least := math.Inf(1)
	for _, s := range samples {
		for _, v := range s.Values {
			if s.Load == load && s.Server == server && v.Unit == "cpu-s/GB" {
				least = min(least, v.Value)
			}
		}
	}
	return least
}
