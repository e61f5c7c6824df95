package stat

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"highwater.dev/bench/table"
)

// lines of one implementation; the values stand in measuring order.
func lines(impl, unit string, values ...float64) string {
	var b strings.Builder
	for _, v := range values {
		fmt.Fprintf(&b, "BenchmarkProduce/size=100/impl=%s 1 %g %s\n", impl, v, unit)
	}
	return b.String()
}

func against(t *testing.T, text, base string) *Versus {
	t.Helper()
	results, err := Read(write(t, text))
	require.NoError(t, err)
	v, err := Against(results, "impl", base)
	require.NoError(t, err)
	return v
}

func scaled(by float64, values ...float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = v * by
	}
	return out
}

// Ten rounds in which the machine's speed varies by a factor of three, and two programs alike.
var rounds = []float64{100, 300, 150, 220, 110, 280, 130, 250, 180, 90}

func TestAgainstPairsRounds(t *testing.T) {
	row := against(t, lines("highwater", "MB/s", scaled(1.5, rounds...)...)+lines("kafka", "MB/s", rounds...), "kafka").Rows[0]
	ratio := row.Cells["highwater"].Ratio
	require.True(t, ratio.Paired)
	require.Equal(t, 1.5, ratio.Value)
	require.InDelta(t, 1.5, ratio.Interval.Lo, 1e-9, "each round has the ratio 1.5, so has each draw of rounds")
	require.InDelta(t, 1.5, ratio.Interval.Hi, 1e-9)
	require.Nil(t, row.Cells["kafka"].Ratio)

	unpaired := against(t, lines("highwater", "MB/s", scaled(1.5, rounds[:9]...)...)+lines("kafka", "MB/s", rounds...), "kafka").Rows[0].Cells["highwater"].Ratio
	require.False(t, unpaired.Paired)
	require.Less(t, unpaired.Interval.Lo, 1.0)
	require.Equal(t, Same, unpaired.Verdict)
}

// Equal counts are not enough: where the files differ in their rounds, sample i of one is not from the round of sample i of the other.
func TestAgainstDoesNotPairAcrossFiles(t *testing.T) {
	first := write(t, lines("a", "MB/s", 1, 2, 3)+lines("b", "MB/s", 1, 2))
	second := write(t, lines("a", "MB/s", 1, 2)+lines("b", "MB/s", 1, 2, 3))
	results, err := Read(first, second)
	require.NoError(t, err)
	v, err := Against(results, "impl", "b")
	require.NoError(t, err)
	require.False(t, v.Rows[0].Cells["a"].Ratio.Paired)
}

// The twin is one of another key's values: solution-again is solution measured once more, so each of its loops is that loop's twin.
func TestATwinOfAnotherKey(t *testing.T) {
	var text strings.Builder
	for round := range 10 {
		for _, sample := range []struct {
			name  string
			value float64
		}{{"loop=reactor/impl=solution", 90}, {"loop=goroutines/impl=solution", 100}, {"loop=reactor/impl=solution-again", 95}, {"loop=goroutines/impl=solution-again", 101}} {
			fmt.Fprintf(&text, "BenchmarkProduce/%s-2 1 %g ns/op\n", sample.name, sample.value+float64(round%3))
		}
	}
	results, err := Read(write(t, text.String()))
	require.NoError(t, err)
	v, err := Against(results, "loop", "goroutines")
	require.NoError(t, err)
	require.Equal(t, []string{"reactor", "goroutines"}, v.Impls)
	require.Len(t, v.Rows, 1)
	row := v.Rows[0]
	require.Equal(t, "Produce/impl=solution-2", row.Benchmark)
	require.Len(t, row.Cells["reactor"].Values, 10)
	require.InDelta(t, 96.0/91, row.Noise.Twins["reactor"].Value, 1e-9)
	require.Greater(t, row.Noise.Factor, 1.04)
}

func TestVerdictNeedsMoreThanTheNoiseFloor(t *testing.T) {
	steady := []float64{100, 101, 99, 100, 102, 98, 100, 101, 99, 100}
	twin := func(by float64) string { return lines("highwater-again", "MB/s", scaled(by, steady...)...) }
	both := lines("highwater", "MB/s", scaled(1.2, steady...)...) + lines("kafka", "MB/s", steady...)

	alone := against(t, both, "kafka").Rows[0]
	require.Equal(t, Wins, alone.Cells["highwater"].Ratio.Verdict)
	require.Equal(t, "not measured", alone.Noise.String())

	quiet := against(t, both+twin(1.2*1.05), "kafka")
	require.Equal(t, []string{"highwater", "kafka"}, quiet.Impls, "a twin is no implementation")
	require.InDelta(t, 1.05, quiet.Rows[0].Noise.Factor, 0.001)
	require.Equal(t, Wins, quiet.Rows[0].Cells["highwater"].Ratio.Verdict)

	for _, by := range []float64{1.2 * 1.3, 1.2 / 1.3} { // the same program differs by 30 %, up or down: 20 % say nothing
		noisy := against(t, both+twin(by), "kafka").Rows[0]
		require.InDelta(t, 1.3, noisy.Noise.Factor, 0.001)
		require.Equal(t, Same, noisy.Cells["highwater"].Ratio.Verdict)
	}
}

func TestVerdictFollowsTheUnit(t *testing.T) {
	steady := []float64{100, 101, 99, 100, 102, 98}
	for unit, want := range map[string]Verdict{"MB/s": Wins, "p99-ms": Loses, "widgets": Differs} {
		row := against(t, lines("highwater", unit, scaled(2, steady...)...)+lines("kafka", unit, steady...), "kafka").Rows[0]
		require.Equal(t, want, row.Cells["highwater"].Ratio.Verdict, unit)
	}
}

// One sample has a ratio and no interval, and is never a win.
func TestFewSamplesAreNoWin(t *testing.T) {
	row := against(t, lines("highwater", "MB/s", 900, 900, 900)+lines("kafka", "MB/s", 100, 100, 100)+lines("kafka-again", "MB/s", 100, 100, 100), "kafka").Rows[0]
	ratio := row.Cells["highwater"].Ratio
	require.Equal(t, 9.0, ratio.Value)
	require.False(t, ratio.Interval.Known())
	require.Equal(t, Same, ratio.Verdict)
	require.Equal(t, "unknown", row.Noise.String())
}

func TestZeroAgainstZeroIsOne(t *testing.T) {
	zeros := make([]float64, 6)
	row := against(t, lines("highwater", "allocs/op", zeros...)+lines("kafka", "allocs/op", zeros...), "kafka").Rows[0]
	require.Equal(t, Ratio{Value: 1, Interval: Interval{1, 1}, Paired: true, P: 1, Verdict: Same}, *row.Cells["highwater"].Ratio)
}

func TestAgainstRefuses(t *testing.T) {
	path := write(t, lines("highwater", "MB/s", 1))
	results, err := Read(path)
	require.NoError(t, err)
	_, err = Against(results, "impl", "kafka")
	require.EqualError(t, err, "stat: the base kafka is not among the values of impl: highwater")
	_, err = Against(results, "server", "kafka")
	require.EqualError(t, err, "stat: no benchmark in "+path+" has /server= in its name")
	path = write(t, lines("kafka", "ms", 3, -1))
	results, err = Read(path)
	require.NoError(t, err)
	_, err = Against(results, "impl", "kafka")
	require.EqualError(t, err, "stat: "+path+":2: -1 ms: ratios need values that are not negative")
}

// In 100 runs of two programs that are the same, with a noise of a factor of about 1.5, nobody wins more than rarely; and where one is
// 1.3 times the other, the interval holds 1.3 about as often as it promises.
func TestIntervalsHoldWhatTheyPromise(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	draw := func(by float64) []float64 {
		values := make([]float64, 11)
		for i := range values {
			values[i] = by * 100 * math.Exp(random.NormFloat64()*0.2)
		}
		return values
	}
	covered, wins := 0, 0
	for range 100 {
		if !ratioInterval(draw(1.3), draw(1), true).Excludes(1.3) {
			covered++
		}
		row := against(t, lines("a", "MB/s", draw(1)...)+lines("b", "MB/s", draw(1)...)+lines("b-again", "MB/s", draw(1)...), "b").Rows[0]
		if row.Cells["a"].Ratio.Verdict != Same {
			wins++
		}
	}
	require.GreaterOrEqual(t, covered, 90)
	require.LessOrEqual(t, wins, 2)
}

// The unit of measuring does not matter, and neither does which side is called the base.
func TestRatioIsOfOneKind(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(1, 1000), minSamples, 9)
		a, b := values.Draw(t, "a"), values.Draw(t, "b")
		paired := len(a) == len(b)
		i := ratioInterval(a, b, paired)
		require.LessOrEqual(t, i.Lo, i.Hi)
		by := ratioInterval(scaled(8, a...), b, paired)
		require.InEpsilon(t, 8*i.Lo, by.Lo, 1e-9)
		require.InEpsilon(t, 8*i.Hi, by.Hi, 1e-9)
		if paired {
			other := ratioInterval(b, a, paired)
			require.InEpsilon(t, 1/i.Hi, other.Lo, 1e-9)
			require.InEpsilon(t, 1/i.Lo, other.Hi, 1e-9)
		}
	})
}

// What has a twin is what the run is about and stands first, whatever the rounds began with.
func TestFamiliesHaveTheirOwnImplementations(t *testing.T) {
	v := against(t, "BenchmarkLimit/what=loopback/impl=limit 1 3000 MB/s\n"+lines("nats", "MB/s", 1)+lines("kafka", "MB/s", 1)+
		lines("highwater-again", "MB/s", 1)+lines("highwater", "MB/s", 1), "kafka")
	require.Equal(t, []string{"highwater", "kafka", "limit", "nats"}, v.Impls)
	families := v.Families()
	require.Len(t, families, 2)
	require.Equal(t, []string{"limit"}, families[0].Impls)
	require.Equal(t, []string{"highwater", "kafka", "nats"}, families[1].Impls)
}

func TestVersusTable(t *testing.T) {
	steady := []float64{100, 101, 99, 100, 102, 98}
	v := against(t, lines("highwater", "MB/s", scaled(2, steady...)...)+lines("highwater-again", "MB/s", scaled(2, steady...)...)+lines("kafka", "MB/s", steady...)+
		"BenchmarkLimit/what=loopback/impl=limit 1 3000 MB/s\n", "kafka")
	var out bytes.Buffer
	require.NoError(t, v.Table(table.Text).Write(&out, table.Text))
	require.Contains(t, out.String(), "200 [196, 204] n=6")
	require.Contains(t, out.String(), "2 [2, 2] better")
	require.Contains(t, out.String(), "×1.00")
	require.Contains(t, out.String(), "3000 [?] n=1")
	out.Reset()
	require.NoError(t, v.Table(table.CSV).Write(&out, table.CSV))
	require.Contains(t, out.String(), "Produce/size=100,MB/s,higher,highwater,6,200,196,204,2,2,2,true,")
	require.Contains(t, out.String(), "Produce/size=100,MB/s,higher,highwater-again,6,200,")
}
