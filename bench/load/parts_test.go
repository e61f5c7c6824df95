package load

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/perf/benchfmt"
	"pgregory.net/rapid"
)

// Whatever was recorded, a percentile is the sorted list's own, to three digits.
func TestPercentiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		micros := rapid.SliceOfN(rapid.IntRange(1, int(10*time.Minute/time.Microsecond)), 1, 200).Draw(t, "µs")
		h, other := NewHistogram(), NewHistogram()
		for i, us := range micros {
			[]*Histogram{h, other}[i%2].Record(time.Duration(us) * time.Microsecond)
		}
		h.merge(other)
		slices.Sort(micros)
		p := rapid.SampledFrom([]float64{1, 50, 90, 99, 99.9, 100}).Draw(t, "p")
		rank := max(1, int(p/100*float64(len(micros))+0.5)) - 1 // the nearest one, as HdrHistogram defines it
		want := time.Duration(micros[rank]) * time.Microsecond
		require.InEpsilon(t, want, Percentile(h, p), 0.002, "of %d", len(micros))
		require.InEpsilon(t, time.Duration(micros[len(micros)-1])*time.Microsecond, h.Max(), 0.002)
		require.EqualValues(t, len(micros), h.Count())
	})
}

func TestHistogramEnds(t *testing.T) {
	h := NewHistogram()
	require.Zero(t, Percentile(h, 99))
	require.Zero(t, h.Mean())
	h.Record(-time.Second)
	h.Record(48 * time.Hour)
	require.InDelta(t, time.Nanosecond, Percentile(h, 50), 10)
	require.InEpsilon(t, time.Hour, h.Max(), 0.002)
}

func TestKeys(t *testing.T) {
	for text, broken := range map[string]bool{
		"none": false, "sequential": false, "sequential:5": false, "uniform:10": false, "zipf:10": false,
		"": true, "none:3": true, "uniform": true, "zipf": true, "zipf:0": true, "uniform:x": true, "Zipf:3": true, "random:3": true,
	} {
		k, err := ParseKeys(text)
		require.Equal(t, broken, err != nil, text)
		if err == nil {
			require.Equal(t, text, k.String())
		}
	}
	count := func(text string) map[uint64]int {
		k, err := ParseKeys(text)
		require.NoError(t, err)
		next, counts := k.picker(1), map[uint64]int{}
		for i := range int64(10_000) {
			counts[next(i)]++
		}
		return counts
	}
	require.Len(t, count("sequential"), 10_000)
	require.Len(t, count("sequential:100"), 100)
	require.Equal(t, 100, count("sequential:100")[99])
	uniform, zipf := count("uniform:10"), count("zipf:10")
	require.Len(t, uniform, 10)
	require.InDelta(t, 1000, uniform[3], 150)
	require.Greater(t, zipf[0], 2*zipf[1]-200) // 2^1.1 = 2.1 times
	require.Greater(t, zipf[0], 2500)
	require.Equal(t, "0000000000000042", string(key(42)))
}

func TestPayloadCompressesAsItSays(t *testing.T) {
	for _, ratio := range []float64{0, 0.25, 0.5, 1} {
		values, err := Payload{RandomRatio: ratio}.pool(1024)
		require.NoError(t, err)
		require.Len(t, values, 4096)
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		_, err = w.Write(bytes.Join(values[:512], nil))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		require.InDelta(t, ratio, float64(out.Len())/(512*1024), 0.03)
	}
	few, err := Payload{RandomRatio: 1, Pool: 2}.pool(100)
	require.NoError(t, err)
	require.Len(t, few, 2)
	require.NotEqual(t, few[0], few[1])
}

func TestPayloadFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "payload")
	require.NoError(t, os.WriteFile(name, bytes.Repeat([]byte("x"), 100), 0o600))
	values, err := Payload{File: name}.pool(100)
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("x", 100), string(values[0]))
	require.ErrorContains(t, Payload{File: name}.validate(99), "has 100 bytes, a record has 99")
	require.ErrorIs(t, Payload{File: name + "!"}.validate(99), os.ErrNotExist)
}

func TestValidateTellsEverything(t *testing.T) {
	require.NoError(t, Defaults().Validate())
	o := Defaults()
	o.Acks, o.RecordBytes, o.Compression, o.Bytes, o.Producers = "1", 15, "brotli", 1<<20, 0
	err := o.Validate()
	for _, want := range []string{"idempotent: needs acks=all", "record bytes: 15", `compression: "brotli"`, "duration or bytes", "producers: 0"} {
		require.ErrorContains(t, err, want)
	}
}

func someResult() *Result {
	o := Defaults()
	o.Rate, o.Consumers = 1000, 2
	r := &Result{Options: o, Partitions: 4, Records: 1000, Bytes: 1024 * 1000, Elapsed: time.Second, Ack: NewHistogram(), EndToEnd: NewHistogram(),
		Received: 1000, ReceivedElapsed: 2 * time.Second, Process: &process{cpu: 10240 * time.Microsecond, peakRSS: 32 << 20}}
	for i := range 1000 {
		r.Ack.Record(time.Duration(i+1) * time.Millisecond)
		r.EndToEnd.Record(time.Duration(i+1) * 2 * time.Millisecond)
	}
	return r
}

func TestBenchmarkLineIsBenchmarkFormat(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, someResult().WriteBenchmark(&out, "my load/1"))
	reader := benchfmt.NewReader(&out, "load")
	require.True(t, reader.Scan(), "%v", reader.Err())
	line, ok := reader.Result().(*benchfmt.Result)
	require.Truef(t, ok, "%v", reader.Result())
	require.Equal(t, "Load/workload=my_load_1/acks=all/size=1024/codec=none/keys=none/rate=1000/partitions=4/producers=1/consumers=2/linger=5ms/idempotent=true",
		line.Name.String())
	for unit, want := range map[string]float64{
		"B/s": 1_024_000, "records/s": 1000, "p50-ms": 500, "p90-ms": 900, "p99-ms": 990, "p99.9-ms": 999, "max-ms": 1000,
		"consume-B/s": 512_000, "e2e-p50-ms": 1000, "e2e-max-ms": 2000, "cpu-s/GB": 10, "peak-RSS-MiB": 32,
	} {
		got, ok := line.Value(unit)
		require.True(t, ok, unit)
		require.InEpsilon(t, want, got, 0.002, unit)
	}
	require.False(t, reader.Scan())
}

func TestJSON(t *testing.T) {
	r := someResult()
	r.Failed, r.Failure = 3, errors.New("no room")
	var out bytes.Buffer
	require.NoError(t, r.WriteJSON(&out, ""))
	var got map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &got))
	require.EqualValues(t, 3, got["failedRecords"])
	require.Equal(t, "no room", got["firstFailure"])
	require.InEpsilon(t, 990, got["metrics"].(map[string]any)["p99-ms"], 0.002)
}

func TestMissingRecordsAreAnError(t *testing.T) {
	r := someResult()
	require.NoError(t, r.Err())
	r.Missing = 2
	require.ErrorContains(t, r.Err(), "2 acknowledged records did not reach the consumers")
	require.ErrorContains(t, (&Result{}).Err(), "no record")
}

// Consumers share all partitions, none twice.
func TestShares(t *testing.T) {
	tp := topic{partitions: 7}
	var all []int32
	for i := range 3 {
		all = append(all, tp.share(i, 3)...)
	}
	slices.Sort(all)
	require.Equal(t, "[0 1 2 3 4 5 6]", fmt.Sprint(all))
}

func TestBacklogHoldsConsumersBack(t *testing.T) {
	o := Defaults()
	o.Backlog = 10 * 1024
	begin := make(chan struct{})
	b := newBacklog(o, begin)
	now := time.Now()
	b.look(now, 9, 9)
	select {
	case <-begin:
		t.Fatal("consumers began before the backlog was there")
	default:
	}
	b.look(now, 10, 5000)
	<-begin
	b.look(now.Add(time.Second), 20_000, 2000)
	require.Zero(t, b.lasted)
	b.look(now.Add(2*time.Second), 30_000, caughtUp)
	b.look(now.Add(3*time.Second), 30_000, 0)
	require.Equal(t, 2*time.Second, b.lasted)
}
