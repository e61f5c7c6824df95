//go:build kafka

package gate

import (
	"log/slog"
	"math"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/bench/peer"
	"highwater.dev/bench/peers"
)

// Processor time for a GB, as a ratio to Apache Kafka's in the same run. Of each broker the cheapest of several rounds counts: what else
// runs on the machine, and the first touch of a page, only ever add. The margin is what the two processes of Highwater differ by.
func TestCPUAgainstKafka(t *testing.T) {
	binary, err := peer.BuildHighwater(t.Context(), t.TempDir())
	require.NoError(t, err)
	require.NoError(t, peer.KafkaAvailable(t.Context()))
	p := peers.DefaultPlan()
	p.Only, p.Rounds, p.Bytes = regexp.MustCompile(`^Produce\+Consume/size=1024$`), 6, 256<<20
	samples, err := peers.Run(t.Context(), p, peers.StartersFor(binary), t.TempDir(), slog.New(slog.NewTextHandler(os.Stderr, nil)))
	require.NoError(t, err)
	for load, limit := range map[string]float64{"Produce/size=1024": 0.7, "Consume/size=1024": 0.9} {
		ours, again, kafka := cheapest(samples, load, peers.Highwater), cheapest(samples, load, peers.Again), cheapest(samples, load, peers.Kafka)
		margin := math.Abs(ours/again - 1)
		t.Logf("%s: %.3f cpu-s/GB (the twin %.3f), Apache Kafka %.3f", load, ours, again, kafka)
		fits(t, load+" CPU, ratio to Apache Kafka", ours/kafka, limit*(1+margin))
	}
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
